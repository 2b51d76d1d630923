/** What the samples of an HL7v2 sender say about its readiness. */
import type { Endpoint } from '../../ingest/contract.ts';
import type { ReadinessCheck } from './readiness.ts';
import type { ReadSample, Sample } from './sample.ts';
import { judgeZone } from './times.ts';

/** Fewer say little: an admission, a change, a result. */
const samplesMin = 3;

export function judgeSamples(endpoint: Endpoint, read: readonly ReadSample[]): ReadinessCheck[] {
  const samples = read.map(({ sample }) => sample);
  const set = `hub endpoint set ${endpoint.name}`;
  return [
    {
      name: 'samples',
      isNeeded: false,
      isOk: samples.length >= samplesMin,
      detail: `${samples.length} of at least ${samplesMin} messages`,
      fix: `hub endpoint test ${endpoint.name} message1.hl7 message2.hl7 message3.hl7`,
    },
    ...(samples.length === 0
      ? []
      : [
          judgeAcceptance(samples, set),
          judgeConversion(samples, endpoint),
          judgeControlIds(read),
          judgePatients(samples),
          zone(samples, endpoint, set),
          charset(samples, endpoint, set),
          judgeUnmapped(samples, endpoint),
        ]),
  ];
}

function judgeAcceptance(samples: readonly Sample[], set: string): ReadinessCheck {
  const refused = samples.filter(({ refusal }) => refusal !== undefined);
  const strangers = [
    ...new Set(refused.filter(({ refusal }) => refusal?.position === 'MSH-4').map(({ facility = '' }) => facility)),
  ].filter((facility) => facility !== '');
  const [first] = refused;
  return {
    name: 'accepted',
    isNeeded: true,
    isOk: refused.length === 0,
    detail:
      first === undefined
        ? 'each would be accepted'
        : `${refused.length} would be refused: ${nameOf(first, first.refusal)}`,
    ...(strangers.length > 0 && { fix: `${set} ${strangers.map((facility) => `--facility '${facility}'`).join(' ')}` }),
    ...(strangers.length === 0 && first?.refusal?.hint !== undefined && { fix: first.refusal.hint }),
  };
}

function judgeConversion(samples: readonly Sample[], { name }: Endpoint): ReadinessCheck {
  const failed = samples.filter(({ problem }) => problem !== undefined);
  const [first] = failed;
  return {
    name: 'converted',
    isNeeded: true,
    isOk: failed.length === 0,
    detail:
      first === undefined
        ? 'each becomes resources'
        : `${failed.length} would be quarantined: ${nameOf(first, first.problem)}`,
    ...(first !== undefined && { fix: `hub map explain ${first.name} --endpoint ${name}` }),
  };
}

function nameOf({ name }: Sample, problem: Sample['problem']): string {
  const { diagnostics = '', position } = problem ?? {};
  return `${name}: ${diagnostics}${position === undefined ? '' : ` (${position})`}`;
}

function judgeControlIds(read: readonly ReadSample[]): ReadinessCheck {
  const ids = read.flatMap(({ controlId }) => (controlId === undefined ? [] : [controlId]));
  const isOk = new Set(ids).size === ids.length;
  return {
    name: 'control ids',
    isNeeded: false,
    isOk,
    detail: isOk ? 'each has its own' : 'several messages have the same MSH-10',
    ...(!isOk && { fix: 'Ask the sender for an MSH-10 of its own for each message: by it a repeated one is known.' }),
  };
}

function judgePatients(samples: readonly Sample[]): ReadinessCheck {
  const nameless = samples.filter(({ isPatientNamed }) => isPatientNamed === false);
  return {
    name: 'patients',
    isNeeded: true,
    isOk: nameless.length === 0,
    detail:
      nameless.length === 0 ? 'each names whose it is' : `${nameless.length} have no number in PID-3, PID-2 or PID-4`,
    ...(nameless.length > 0 && { fix: 'An overlay says where the number is: docs/mapping.md, "A moved identifier".' }),
  };
}

function zone(samples: readonly Sample[], endpoint: Endpoint, set: string): ReadinessCheck {
  const found = judgeZone(
    samples.flatMap(({ times }) => times ?? []),
    endpoint.zone,
  );
  const detail =
    endpoint.zone === undefined ? 'times say their offset' : `times without an offset are of ${endpoint.zone}`;
  return {
    name: 'zone',
    isNeeded: true,
    isOk: found.isKnown,
    detail: found.isKnown ? detail : 'times come without an offset, and no zone is set: they are kept as dates alone',
    ...(!found.isKnown && {
      fix: `${set} --zone ${found.suggestion ?? 'ZONE'}${found.why === undefined ? '' : `   # ${found.why}`}`,
    }),
  };
}

function charset(samples: readonly Sample[], endpoint: Endpoint, set: string): ReadinessCheck {
  const guessed = samples.filter(({ charset: name, charsetFrom }) => charsetFrom === 'detected' && name !== 'ASCII');
  const [first] = guessed;
  return {
    name: 'charset',
    isNeeded: false,
    isOk: guessed.length === 0,
    detail:
      first === undefined
        ? (endpoint.charset ?? 'as MSH-18 says, or plain ASCII')
        : `MSH-18 does not say it; ${first.charset} was detected in ${guessed.length}`,
    ...(first !== undefined && { fix: `${set} --charset '${first.charset}'` }),
  };
}

function judgeUnmapped(samples: readonly Sample[], { name }: Endpoint): ReadinessCheck {
  const left = new Set(samples.flatMap(({ unmapped }) => unmapped.map(({ hash }) => hash))).size;
  return {
    name: 'mapped',
    isNeeded: false,
    isOk: left === 0,
    detail:
      left === 0 ? 'each field and code has a rule' : `${left} fields and codes have no rule; they are kept beside`,
    ...(left > 0 && {
      fix: `hub map apply overlay.yaml --endpoint ${name}   # the draft of hub endpoint test --overlay`,
    }),
  };
}
