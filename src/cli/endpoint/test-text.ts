/** The onboarding report as a person reads it. */
import type { OnboardingReport } from '../../hub/onboarding/check.ts';
import type { Sample } from '../../hub/onboarding/sample.ts';

/** @param overlay where the draft was written; undefined: it is shown */
export function describeReport(report: OnboardingReport, overlay: string | undefined): string {
  const { endpoint, kind, state, readiness } = report;
  const lines = [`${endpoint} (${kind}, ${state}): readiness ${readiness.score} of 100`, ''];
  for (const { name, isOk, isNeeded, detail, fix } of readiness.checks) {
    lines.push(`  ${isOk ? 'ok      ' : isNeeded ? 'MISSING ' : 'advised '} ${name}: ${detail}`);
    if (!isOk && fix !== undefined) lines.push(`             ${fix}`);
  }
  for (const sample of report.samples) lines.push('', ...describeSample(sample));
  if (report.unmapped.length > 0) {
    lines.push('', 'What no rule takes, kept beside (messages, place, code):');
    for (const { messages, position, code } of report.unmapped)
      lines.push(`  ${messages}  ${position}${code === undefined ? '' : `  ${code}`}`);
  }
  if (report.overlay !== undefined) {
    const { mapped, left, text } = report.overlay;
    lines.push('', `A draft overlay maps ${mapped.length} of these places and leaves ${left} to decide.`);
    lines.push(overlay === undefined ? `It follows; --overlay FILE writes it.\n\n${text}` : `It is in ${overlay}.`);
  }
  return lines.join('\n');
}

function describeSample(sample: Sample): string[] {
  const {
    name,
    type = '?',
    version = '?',
    facility = '?',
    application = '?',
    charset = '?',
    charsetFrom = '?',
  } = sample;
  const { zSegments, times, resources, refusal, problem, ack } = sample;
  const made = Object.entries(resources).map(([resource, count]) => (count === 1 ? resource : `${count} ${resource}`));
  const offsets = times === undefined || times.offsets.length === 0 ? 'none' : times.offsets.join(', ');
  return [
    `${name}: ${type}, version ${version}, from ${application} of ${facility}`,
    `  charset ${charset} (${charsetFrom}), offsets of times: ${offsets}, Z segments: ${zSegments.join(', ') || 'none'}`,
    ...(refusal === undefined ? [] : [`  refused: ${refusal.diagnostics}`]),
    ...(problem === undefined
      ? [`  becomes ${made.join(', ') || 'nothing'}`]
      : [`  quarantined: ${problem.diagnostics}`]),
    ...ack.map((line) => `  < ${line}`),
  ];
}
