/** Settings that an endpoint of any kind has: for people, and for the Organization that is registered with it. Adapters do not see them. */
import { z } from 'zod';
import { Problem } from '../../fhir/problem.ts';
import type { Endpoint } from '../contract.ts';

type Config = Readonly<Record<string, unknown>>;

const text = z.string().min(1).max(200).optional();
const shape = z.object({
  /** What people call it. */
  title: text,
  /** The name of the organization. */
  organizationName: text,
  /** Whom to call when it is silent: a telephone number or an e-mail address. */
  contact: text,
});

export type SharedSettings = z.infer<typeof shape>;

export const sharedSettings = Object.keys(shape.shape);

/** @throws Problem value with the `expression` of what is wrong */
export function readSharedSettings(config: Config): SharedSettings {
  const read = shape.safeParse(config);
  if (read.success) return read.data;
  throw wrongSetting(String(read.error.issues[0]?.path[0] ?? ''), 'a text of 1 to 200 characters');
}

/** As its adapter knows it: without what is for people. */
export function forAdapter(endpoint: Endpoint): Endpoint {
  return { ...endpoint, config: without(endpoint.config, sharedSettings) };
}

/** The settings without those of these names. */
export function without(config: Config, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).filter(([name]) => !names.includes(name)));
}

export function wrongSetting(name: string, rule: string): Problem {
  return new Problem('value', `the setting ${name} is not valid`, {
    expression: `config.${name}`,
    hint: `Give ${rule}.`,
  });
}
