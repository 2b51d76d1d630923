/** A description from outside (YAML, JSON, options): its shape. What its values must keep to is in description.ts. */
import { z } from 'zod';
import { Problem } from '../../fhir/problem.ts';
import type { NewEndpoint } from './description.ts';

const text = z.string();
const shape = z.strictObject({
  name: text,
  kind: text,
  organization: text,
  state: text.optional(),
  facilities: z.array(text).optional(),
  port: z.number().optional(),
  folder: text.optional(),
  charset: text.optional(),
  zone: text.optional(),
  batchAck: text.optional(),
  ackMode: text.optional(),
  poisonPolicy: text.optional(),
  certificate: text.optional(),
  addresses: z.array(text).optional(),
  config: z.record(text, z.unknown()).optional(),
});

/** @throws Problem value with the `expression` of what has another shape */
export function parseDescription(value: unknown): NewEndpoint {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data as NewEndpoint;
  const [issue] = parsed.error.issues;
  const expression = (issue?.code === 'unrecognized_keys' ? issue.keys : (issue?.path ?? [])).join('.');
  throw new Problem('value', `the description of the endpoint is not valid: ${expression}`, {
    ...(expression !== '' && { expression }),
    hint: issue?.message ?? 'Write it as hub endpoint export does.',
  });
}
