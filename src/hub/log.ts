/**
 * The log of the process: JSON lines on stderr. Fields come from an allow list per event, never an object as it is: a
 * list of what to redact forgets the field that is added next year. No patient data, no tokens, no URLs with a query.
 */
import pino, { type DestinationStream, type Logger } from 'pino';
import { Problem } from '../fhir/problem.ts';

export type { Logger };

/** @param destination default: stderr, line by line */
export function openLog(level: string, destination: DestinationStream = stderr()): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'event',
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError },
    },
    destination,
  );
}

function stderr(): DestinationStream {
  return pino.destination({ dest: 2, sync: true });
}

/** A Problem's text is written by us. The text of anything else may quote a row: its type, code and stack frames only. */
function describeError(error: unknown): object {
  if (error instanceof Problem) {
    return {
      code: error.code,
      diagnostics: error.message,
      ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
    };
  }
  if (!(error instanceof Error)) return { type: typeof error };
  const code = (error as NodeJS.ErrnoException).code;
  const frames = error.stack?.split('\n').filter((line) => /^\s+at /.test(line));
  return { type: error.name, ...(code === undefined ? {} : { code }), stack: frames?.map((line) => line.trim()) };
}
