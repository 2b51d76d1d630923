/**
 * An alert in a sentence of the reader's language, from its kind and what was found; as the hub wrote it for a kind that has none here. Pure.
 *
 * @typedef {import('./alert-texts.js').AlertTexts} AlertTexts
 * @typedef {import('./services.js').Language} Language
 * @typedef {{ id: number, kind: string, subject: string, severity: 'warning' | 'critical', summary: string, detail: Record<string, any>,
 *   startedAt: string, endedAt: string | null, groupId: number | null, acknowledgedAt: string | null, acknowledgedBy: string | null,
 *   note: string | null, isExpected: boolean }} Alert as /ops/alerts has it
 */
import { fill } from './texts.js';

/** @type {readonly (readonly [string, number])[]} a unit, and its length in seconds */
const units = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
];
/** A unit is used from two of it on: 90 minutes, not 1.5 hours. */
const unitsMin = 2;

/** `25 minutes`, in words of the language. @param {number} seconds @param {Language} language */
export function durationText(seconds, language) {
  const whole = Math.max(0, Math.round(seconds));
  const [unit, length] = units.find(([, one]) => whole >= unitsMin * one) ?? ['second', 1];
  return new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'long' }).format(
    Math.round(whole / length),
  );
}

/** @param {Language} language @param {string} instant */
const at = (language, instant) =>
  new Intl.DateTimeFormat(language, { dateStyle: 'short', timeStyle: 'medium' }).format(new Date(instant));

/** @param {Alert} alert @param {AlertTexts} t @param {Language} language @returns {string} */
export function findingText({ kind, summary, detail }, t, language) {
  const long = (/** @type {number} */ seconds) => durationText(seconds, language);
  switch (kind) {
    case 'silence': {
      const { lastMessageAt, allowedSeconds } = detail;
      if (lastMessageAt === null) return t.saysSilenceEver;
      const since = { at: at(language, lastMessageAt) };
      return allowedSeconds === undefined
        ? fill(t.saysSilenceSince, since)
        : fill(t.saysSilence, { ...since, usual: long(allowedSeconds) });
    }
    case 'silence-many':
    case 'pull-many':
      return fill(t.saysMany, { count: detail['size'] });
    case 'failing':
      return fill(t.saysFailing, detail);
    case 'held':
      return fill(t.saysHeld, detail);
    case 'backlog':
      return fill(t.saysBacklog, { waiting: detail['waiting'], long: long(detail['seconds']) });
    case 'outbound':
      return fill(detail['isRefused'] ? t.saysRefused : t.saysAway, {
        waiting: detail['waiting'],
        long: long(detail['seconds']),
      });
    case 'clock': {
      const seconds = detail['seconds'];
      return fill(seconds > 0 ? t.saysAhead : t.saysBehind, { long: long(Math.abs(seconds)) });
    }
    case 'pull': {
      const { code, failures, lastSuccessAt } = detail;
      if (code === 'overdue') return t.saysOverdue;
      return fill(t.saysPull, { failures, code, at: lastSuccessAt === null ? t.never : at(language, lastSuccessAt) });
    }
    case 'certificate':
      return fill(t.saysCertificate, { at: at(language, detail['endsAt']) });
    case 'storage': {
      const { freeBytes, totalBytes } = detail;
      const percent = new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: 1 });
      const gigabytes = new Intl.NumberFormat(language, { style: 'unit', unit: 'gigabyte', maximumFractionDigits: 1 });
      return fill(t.saysStorage, {
        percent: percent.format(totalBytes === 0 ? 0 : freeBytes / totalBytes),
        gigabytes: gigabytes.format(freeBytes / 1e9),
      });
    }
    default:
      return summary;
  }
}

/** Markdown of a runbook as parts: what is code, what is text; of a link the text. @param {string} text @returns {{ isCode: boolean, text: string }[][]} paragraphs */
export function runbookParts(text) {
  return text.split(/\n{2,}/).map((paragraph) =>
    paragraph
      .replaceAll('\n', ' ')
      .replace(/\[([^\]]+)\]\([^)]*\)/g, '$1')
      .split('`')
      .map((part, index) => ({ isCode: index % 2 === 1, text: part }))
      .filter((part) => part.text !== ''),
  );
}
