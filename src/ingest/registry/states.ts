/** The life of an endpoint, from its description to its end. */
import { Problem } from '../../fhir/problem.ts';
import type { EndpointState } from '../contract.ts';

export const states: readonly EndpointState[] = ['draft', 'testing', 'live', 'paused', 'retired'];

/** What may follow. What was live is not tried any more: its held messages would come after those that were processed. */
const next: Readonly<Record<EndpointState, readonly EndpointState[]>> = {
  draft: ['testing', 'live', 'retired'],
  testing: ['live', 'paused', 'retired'],
  live: ['paused', 'retired'],
  paused: ['testing', 'live', 'retired'],
  retired: [],
};

/** Something may come in. */
export function isOpen(state: EndpointState): boolean {
  return state === 'testing' || state === 'live';
}

/** @param wasLive it has been live before @throws Problem business-rule */
export function assertTransition(from: EndpointState, to: EndpointState, wasLive: boolean): void {
  if (from === to) return;
  if (next[from].includes(to) && !(to === 'testing' && wasLive)) return;
  const allowed = next[from].filter((state) => !(state === 'testing' && wasLive));
  throw new Problem('business-rule', `an endpoint that is ${from} cannot become ${to}`, {
    expression: 'state',
    hint: allowed.length === 0 ? 'Register another one.' : `It may become ${allowed.join(', ')}.`,
  });
}
