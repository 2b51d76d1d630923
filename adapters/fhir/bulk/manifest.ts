/**
 * What an export consists of.
 *
 * @see https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---complete-status
 */
import { z } from 'zod';
import { Problem } from '../../../src/fhir/problem.ts';
import { noFhir } from '../ask.ts';
import type { FileMark, ManifestMark } from './mark.ts';

const file = z.object({
  type: z.string().optional(),
  url: z.string().min(1),
  count: z.number().int().min(0).optional(),
});
const files = z.array(file).nullish();
const schema = z.object({
  transactionTime: z.string(),
  requiresAccessToken: z.boolean().nullish(),
  output: files,
  deleted: files,
  error: files,
  /** Of manifests in parts (Bulk Data STU3). */
  link: z.array(z.object({ relation: z.string(), url: z.string() })).nullish(),
});

/** 3,600 patients' files are far fewer; each stands in the watermark until it is taken. */
const filesMax = 5_000;

export interface ManifestPage {
  readonly manifest: ManifestMark;
  readonly next: string | undefined;
}

/** @param base files of relative addresses lie below it @throws Problem transient for what is no manifest; too-long for too many files */
export function readManifest(text: string, base: string): ManifestPage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw noFhir('something that is no manifest');
  }
  const read = schema.safeParse(value);
  if (!read.success) throw noFhir('something that is no manifest');
  const { transactionTime, requiresAccessToken, output, deleted, error, link } = read.data;
  if (Number.isNaN(Date.parse(transactionTime))) throw noFhir('a manifest without its time');
  const marks: FileMark[] = [];
  const add = (kind: FileMark['kind'], listed: z.output<typeof files>): void => {
    for (const { type = '', url, count } of listed ?? []) {
      const address = /^https?:\/\//i.test(url) ? url : `${base}/${url.replace(/^\/+/, '')}`;
      marks.push({ kind, place: marks.length, type, url: address, line: 0, ...(count === undefined ? {} : { count }) });
    }
  };
  add('output', output);
  // After what is there: nothing stands in both, and what was made and is gone again stays gone.
  add('deleted', deleted);
  add('error', error);
  checkLength(marks.length);
  return {
    manifest: { transactionTime, withToken: requiresAccessToken ?? true, files: marks, renewals: 0 },
    next: link?.find(({ relation }) => relation === 'next')?.url,
  };
}

/** One manifest of two parts. */
export function joinManifests(first: ManifestMark, second: ManifestMark): ManifestMark {
  const all = [...first.files, ...second.files].map((mark, place) => ({ ...mark, place }));
  checkLength(all.length);
  return { ...first, files: all };
}

function checkLength(length: number): void {
  if (length <= filesMax) return;
  throw new Problem('too-long', `the export has more than ${filesMax} files`, {
    hint: 'Ask for fewer types, or for a Group.',
  });
}
