/** The files of an export, one after the other, line by line; how far they are is in the mark with every page. */
import { hash } from 'node:crypto';
import { Problem } from '../../../src/fhir/problem.ts';
import type { Pulled } from '../../../src/ingest/contract.ts';
import { explainStatus, noFhir } from '../ask.ts';
import { deletionOf, pulledOf } from '../bundle.ts';
import type { OpenAnswer } from '../http.ts';
import { isTakenType } from '../taken-types.ts';
import { typeInR4 } from '../versions/to-r4.ts';
import { forget, readWholeManifest } from './ask-export.ts';
import { readLines } from './lines.ts';
import type { ExportMark, FileMark, ManifestMark } from './mark.ts';
import type { Progress } from './progress.ts';

/** One transaction's worth. */
const pageLinesMax = 500;
const pageBytesMax = 4 * 1024 * 1024;
/** A file that is shorter than said is asked for again so often: its server may still be writing it. */
const shortMax = 3;

/** @returns true when the budget was used up before the end, or content of documents is to be fetched before more is taken */
export async function takeFiles(progress: Progress, mark: ExportMark): Promise<boolean> {
  const manifest = mark.manifest as ManifestMark;
  for (let file = manifest.files[0]; file !== undefined; file = manifest.files[0]) {
    const isLeft = file.kind === 'output' && file.type !== '' && !isTaken(progress, file.type);
    if (isLeft) progress.note(`${file.type}: not taken from sources`);
    else if (await takeFile(progress, mark, file)) return true;
    manifest.files.shift();
    // To be read again when the export is compared.
    if (mark.compare !== undefined && file.kind === 'output' && !isLeft) (manifest.passed ??= []).push(file);
    await progress.take();
  }
  return false;
}

export function isTaken({ version }: Progress, type: string): boolean {
  return isTakenType(typeInR4(type, version));
}

/** @returns as `takeFiles`, before its end */
async function takeFile(progress: Progress, mark: ExportMark, file: FileMark): Promise<boolean> {
  const manifest = mark.manifest as ManifestMark;
  const answer = await openFile(progress, manifest, file);
  if (answer === undefined) {
    await renewAddresses(progress, mark, manifest);
    return takeFile(progress, mark, manifest.files[0] as FileMark);
  }
  const at = new Date(manifest.transactionTime);
  let page: Pulled[] = [];
  let [bytes, lines, resources] = [0, 0, 0];
  const takePage = async (): Promise<void> => {
    file.line = lines;
    await progress.take(page);
    [page, bytes] = [[], 0];
  };
  for await (const line of readLines(answer.body, progress.settings.lineBytesMax)) {
    const text = line.bytes.toString('utf8').trim();
    if (!line.isEnded && isCut(text) && isShortAgain(file)) {
      await takePage();
      throw new Problem('transient', 'a file of the export ends within a line');
    }
    lines++;
    if (text !== '') resources++;
    if (lines <= file.line || text === '') continue;
    bytes += line.bytes.length;
    page.push(...pulledIn(progress, file, text, at, lines));
    if (page.length < pageLinesMax && bytes < pageBytesMax) continue;
    await takePage();
    // What is left of the file is told by its line: it is read again from the beginning, and taken from there.
    if (progress.isSpent || progress.contents.isFull) return true;
  }
  await takePage();
  await checkCount(progress, mark, file, resources);
  return false;
}

/** @returns undefined when its address does not lead there any more */
export async function openFile(
  { source }: Progress,
  { withToken }: ManifestMark,
  { url }: FileMark,
): Promise<OpenAnswer | undefined> {
  const ask = { url, headers: { accept: 'application/fhir+ndjson' } };
  // A store that signs its addresses does not want the hub's token as well.
  const answer = await (withToken ? source.open(ask) : source.http.open(ask));
  if (answer.status === 200) {
    const type = answer.headers['content-type'] ?? '';
    if (!/html|xml/i.test(type)) return answer;
    await answer.body.return();
    throw noFhir('a page');
  }
  await answer.body.return();
  if ([400, 403, 404, 410].includes(answer.status)) return undefined;
  throw explainStatus(answer);
}

/** Signed addresses live for minutes, exports for hours. */
const renewalsMax = 50;

/**
 * @param failed whose address does not lead there any more; default: the first one that is not taken
 * @throws Problem transient when the export is not there any more: it is asked for anew, from where it began
 */
export async function renewAddresses(
  progress: Progress,
  mark: ExportMark,
  manifest: ManifestMark,
  failed = manifest.files[0],
): Promise<void> {
  const answer = await progress.source.send({ url: mark.status, headers: { accept: 'application/json' } });
  const fresh = answer.status === 200 ? await readWholeManifest(progress, answer) : undefined;
  const isSame = [...manifest.files, ...(manifest.passed ?? [])].every(({ place, kind, type, count }) => {
    const other = fresh?.files[place];
    return other?.kind === kind && other.type === type && other.count === count;
  });
  const urls = new Map(fresh?.files.map(({ place, url }) => [place, url]));
  const isNew = failed !== undefined && urls.get(failed.place) !== failed.url;
  if (!isSame || !isNew || ++manifest.renewals > renewalsMax) {
    await forget(progress);
    throw new Problem('transient', 'the files of the export are gone; it is asked for anew');
  }
  const renewed = (files: readonly FileMark[]): FileMark[] =>
    files.map((file) => ({ ...file, url: urls.get(file.place) as string }));
  manifest.files = renewed(manifest.files);
  if (manifest.passed !== undefined) manifest.passed = renewed(manifest.passed);
  await progress.take();
}

/** A server that closes its connection early and says no length looks like one that is done, but for the line it was in. */
function isCut(text: string): boolean {
  return text !== '' && readObject(text) === undefined;
}

function pulledIn(progress: Progress, file: FileMark, text: string, at: Date, line: number): Pulled[] {
  if (file.kind === 'error') return noteOutcome(progress, text);
  if (file.kind === 'deleted') return deletionsIn(progress, text, at);
  const pulled = pulledOf(text);
  // What is no resource is kept as what it is: it is quarantined, and a person sees it.
  if (pulled === undefined) return [brokenLine(file, text, line)];
  if (isTaken(progress, pulled.type)) return [pulled];
  progress.note(`${printable(pulled.type)}: not taken from sources`);
  return [];
}

export function brokenLine({ type }: FileMark, text: string, line: number): Pulled {
  const id = `line-${line}-${hash('sha256', text, 'hex').slice(0, 24)}`;
  return { type: /^[A-Za-z]{1,60}$/.test(type) ? type : 'Resource', id, bytes: Buffer.from(text, 'utf8') };
}

/** @see https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---complete-status deleted: Bundles of DELETE requests */
function deletionsIn(progress: Progress, text: string, updatedAt: Date): Pulled[] {
  const entries = (readObject(text)?.['entry'] ?? []) as unknown;
  if (!Array.isArray(entries)) return [];
  return entries.flatMap((entry) => {
    const { method, url } = ((entry as { request?: unknown } | null)?.request ?? {}) as Record<string, unknown>;
    const [, type = '', id = ''] = /(?:^|\/)([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})$/.exec(String(url)) ?? [];
    return method === 'DELETE' && type !== '' && isTaken(progress, type) ? [deletionOf(type, id, { updatedAt })] : [];
  });
}

/** What the source could not export, by its codes: texts may be anybody's. */
function noteOutcome(progress: Progress, text: string): Pulled[] {
  const issues = readObject(text)?.['issue'];
  for (const issue of Array.isArray(issues) ? (issues as { severity?: unknown; code?: unknown }[]) : []) {
    const words = [issue?.severity, issue?.code].map((word) => printable(String(word)));
    progress.note(`the source reports ${words.join(': ')}`);
  }
  return [];
}

function readObject(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function printable(word: string): string {
  return /^[\w-]{1,60}$/.test(word) ? word : '?';
}

/** @throws Problem transient when fewer came than the manifest says, and may still */
async function checkCount(progress: Progress, mark: ExportMark, file: FileMark, resources: number): Promise<void> {
  const { kind, type, count } = file;
  if (kind !== 'output' || count === undefined || count === resources) return;
  const said = `${printable(type)}: ${resources} resources of the ${count} that the manifest says`;
  if (resources > count) return progress.note(said);
  if (isShortAgain(file)) {
    await progress.take();
    throw new Problem('transient', `a file of the export is short: ${said}`);
  }
  mark.isIncomplete = true;
  progress.note(`${said}; the next export begins where this one did`);
}

/** Whether it is worth asking again. */
function isShortAgain(file: FileMark): boolean {
  file.short = (file.short ?? 0) + 1;
  return file.short < shortMax;
}
