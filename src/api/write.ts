/**
 * create and update (also of an id that does not exist yet). Who owns what is written comes from the token; a Consent
 * takes effect in the transaction that stores it.
 *
 * @see https://hl7.org/fhir/R4/http.html#create
 */
import { compileConsent } from '../access/consent.ts';
import { ownerOf } from '../access/owner.ts';
import type { Principal } from '../access/principal.ts';
import { requireScope } from '../access/scope.ts';
import type { Tx } from '../db.ts';
import { idPattern } from '../fhir/ids.ts';
import { parseJson } from '../fhir/json.ts';
import { Problem } from '../fhir/problem.ts';
import { localizeReferences } from '../fhir/reference.ts';
import type { AnyResource } from '../fhir/types.ts';
import { validate } from '../fhir/validate.ts';
import { linkPatients, samePerson } from '../identity/link.ts';
import { commit } from '../store/commit.ts';
import type { Write, Written } from '../store/row.ts';
import { checkContentType, ifMatchOf, preferencesOf, resourceMediaTypes, type Incoming } from './incoming.ts';
import type { Call, Interaction, Plan } from './interaction.ts';
import { versionHeaders } from './read.ts';
import { HttpProblem, outcomeOf, ProblemList, type Answer } from './respond.ts';

export const create: Interaction = {
  code: 'create',
  isWrite: true,
  prepare: async (call) => {
    const { facade, principal, incoming } = call;
    requireScope(principal, incoming.type, 'c');
    refuseConditional(incoming, 'if-none-exist');
    const resource = await readResource(incoming, facade.base);
    // FHIR R4 http.html#create: an id in the body is ignored.
    delete resource.id;
    requireValid(resource);
    return planWrite(call, { kind: 'create', resource, owner: ownerOf(principal, resource) });
  },
};

export const update: Interaction = {
  code: 'update',
  isWrite: true,
  prepare: async (call) => {
    const { facade, principal, incoming } = call;
    requireScope(principal, incoming.type, 'u');
    refuseConditional(incoming, 'if-none-match');
    const ifVersion = ifMatchOf(incoming.headers);
    if (!idPattern.test(incoming.id)) {
      throw new HttpProblem(400, 'value', 'the id in the URL is no FHIR id', {
        hint: 'Letters, digits, - and . up to 64.',
      });
    }
    const resource = await readResource(incoming, facade.base);
    if (resource.id !== incoming.id) {
      throw new HttpProblem(400, 'invalid', 'the id of the resource is not the id of the URL', {
        expression: `${incoming.type}.id`,
      });
    }
    requireValid(resource);
    return planWrite(call, { kind: 'update', resource, owner: ownerOf(principal, resource), ifVersion });
  },
};

/** Types whose write brings about something else, which must commit with it. */
const consequential = new Set(['Consent', 'Patient']);

/** Any other resource shares a transaction with those that arrive beside it. */
function planWrite({ facade, principal, incoming }: Call, write: Write): Plan {
  const isTransaction = consequential.has(write.resource.resourceType);
  return {
    isTransaction,
    run: async (tx) => {
      const at = new Date(facade.now());
      const writes = [{ ...write, speaksFor: await patientsOf(tx, principal) }];
      const committed = isTransaction ? commit(tx, writes, { at }) : facade.writer.write(writes);
      const [written] = await committed.catch(asPrecondition);
      if (written === undefined) throw new Error('commit answers each write');
      if (isTransaction) await bringAbout(tx, { principal, written, resource: write.resource, at });
      return {
        id: written.id,
        shown: [written.patient, ...written.otherPatients].map((patient) => ({
          patient,
          decidedBy: principal.self === undefined ? 'source' : 'self',
        })),
        answer: answerOfWrite(written, incoming, facade.base),
      };
    },
  };
}

interface Happened {
  readonly principal: Principal;
  readonly written: Written;
  /** As sent. */
  readonly resource: AnyResource;
  readonly at: Date;
}

/** A grant or its end holds, and a person's records are linked, from the statement after this transaction. */
async function bringAbout(tx: Tx, { principal, written, resource, at }: Happened): Promise<void> {
  const { id, version, body } = written;
  // Also when nothing changed: writing a Consent again is how a person confirms it for records linked since.
  if (written.type === 'Consent') await compileConsent(tx, principal, { id, version, resource });
  else await linkPatients(tx, [{ id, resource: parseJson(body) as AnyResource }], at);
}

/** @see https://hl7.org/fhir/R4/http.html#concurrency 412 when If-Match names another version than the current one */
function asPrecondition(error: unknown): never {
  if (!(error instanceof Problem) || error.code !== 'conflict') throw error;
  throw new HttpProblem(412, 'conflict', error.message, {
    hint: 'Read the resource again and send its ETag as If-Match.',
  });
}

/** The records of the patient who writes: their own, under every id they are linked to. */
async function patientsOf(tx: Tx, principal: Principal): Promise<string[]> {
  return principal.self === undefined ? [] : samePerson(tx, principal.self);
}

/** @throws ProblemList all that is wrong, each with its expression */
function requireValid(resource: AnyResource): void {
  const problems = validate(resource);
  if (problems.length > 0) throw new ProblemList(problems);
}

function answerOfWrite(written: Written, incoming: Incoming, base: string): Answer {
  const isCreated = written.outcome === 'created';
  const location = `${base}/${written.type}/${written.id}/_history/${written.version}`;
  const answer = {
    status: isCreated ? 201 : 200,
    headers: { ...versionHeaders(written), ...(isCreated ? { location } : { 'content-location': location }) },
  };
  const wanted = preferencesOf(incoming.headers).return;
  if (wanted === 'minimal') return answer;
  if (wanted === 'representation') return { ...answer, body: written.body };
  const diagnostics = `${written.outcome} as version ${written.version}`;
  return { ...answer, body: outcomeOf([{ severity: 'information', code: 'informational', diagnostics }]) };
}

/** A condition that is not looked at would do the opposite of what its sender wants. */
function refuseConditional({ headers }: Incoming, name: string): void {
  if (headers[name] === undefined) return;
  throw new Problem('not-supported', `the header ${name} is not served`, {
    hint: 'Search first, then create or update by id.',
  });
}

async function readResource({ type, headers, text }: Incoming, base: string): Promise<AnyResource> {
  checkContentType(headers, resourceMediaTypes);
  const value = parseJson(await text());
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Problem('structure', 'the body is no JSON object', { hint: `Send one ${type} resource.` });
  }
  const resource = value as AnyResource;
  if (resource.resourceType !== type) {
    throw new HttpProblem(400, 'invalid', 'the resource is not of the type of the URL', { expression: 'resourceType' });
  }
  localizeReferences(resource, base);
  return resource;
}
