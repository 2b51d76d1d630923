/**
 * Processor time of a process and all its descendants: what a figure costs, whatever else the machine is doing. Rates on a
 * shared machine vary by half from run to run; this hardly does.
 *
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 */
import { readdir, readFile } from 'node:fs/promises';

/** One clock tick of /proc: sysconf(_SC_CLK_TCK) is 100 on every Linux that Node runs on. */
const tickMicros = 10_000;

interface Usage {
  readonly pid: number;
  readonly parent: number;
  /** Its own threads' and that of descendants that have ended and been waited for. */
  readonly micros: number;
}

/** @returns microseconds since it started; NaN where there is no /proc */
export async function processorTime(pid: number): Promise<number> {
  const names = await readdir('/proc').catch(() => []);
  const usages = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map(usageOf));
  const children = Map.groupBy(
    usages.filter((usage) => usage !== undefined),
    ({ parent }) => parent,
  );
  const root = usages.find((usage) => usage?.pid === pid);
  const sum = ({ pid: of, micros }: Usage): number =>
    (children.get(of) ?? []).reduce((total, child) => total + sum(child), micros);
  return root === undefined ? Number.NaN : sum(root);
}

/** undefined: ended meanwhile. */
async function usageOf(pid: string): Promise<Usage | undefined> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (line === undefined) return undefined;
  // The command, in parentheses, may hold anything; what follows it is numbers, from field 3 on.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): number => Number(fields[number - 3]);
  return {
    pid: Number(pid),
    parent: field(4),
    micros: (field(14) + field(15) + field(16) + field(17)) * tickMicros,
  };
}
