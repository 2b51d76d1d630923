import assert from 'node:assert/strict';
import type { AlertKind } from '../../src/watch/alerts/condition.ts';
import { networkOf, planGroups, several, type Open } from '../../src/watch/alerts/group.ts';

const at = new Date('2026-03-02T00:00:00Z');
const one = (id: number, more: Partial<Open> = {}): Open => ({
  id,
  kind: 'silence',
  subject: `e${id}`,
  startedAt: at,
  groupId: undefined,
  isTold: false,
  ...more,
});
const many = (id: number, subject: string, size: number, kind: AlertKind = 'silence-many'): Open =>
  one(id, { kind, subject, size, isTold: true });
const range = (count: number, from = 1): number[] => Array.from({ length: count }, (_, index) => from + index);
/** e1 to e9 are of the north, the others of networks of their own. */
const network = (name: string): string => (Number(name.slice(1)) < 10 ? 'north' : name);

describe('many at once are one', () => {
  it('five of one network are its trouble; four are four', () => {
    assert.deepEqual(
      planGroups(
        range(5).map((id) => one(id)),
        network,
      ).starts,
      [{ kind: 'silence-many', subject: 'north', members: [1, 2, 3, 4, 5] }],
    );
    assert.deepEqual(
      planGroups(
        range(4).map((id) => one(id)),
        network,
      ).starts,
      [],
    );
  });

  it('ten of any networks are one; nine are nine', () => {
    assert.deepEqual(
      planGroups(
        range(10, 20).map((id) => one(id)),
        network,
      ).starts,
      [{ kind: 'silence-many', subject: several, members: range(10, 20) }],
    );
    assert.deepEqual(
      planGroups(
        range(9, 20).map((id) => one(id)),
        network,
      ).starts,
      [],
    );
  });

  it('those who were told of already stay their own', () => {
    assert.deepEqual(
      planGroups(
        range(5).map((id) => one(id, { isTold: id === 1 })),
        network,
      ).starts,
      [],
    );
  });

  it('sources that cannot be asked are grouped apart from those that are silent', () => {
    const mixed = range(9).map((id) => one(id, { kind: id < 5 ? 'silence' : 'pull' }));
    assert.deepEqual(planGroups(mixed, network).starts, [
      { kind: 'pull-many', subject: 'north', members: [5, 6, 7, 8, 9] },
    ]);
  });

  it('who follows joins the group of its network, while it is open', () => {
    const open = [many(100, 'north', 5), ...range(5).map((id) => one(id, { groupId: 100 })), one(6), one(30)];
    const { starts, joins, ends } = planGroups(open, network);
    assert.deepEqual({ starts, joins, ends }, { starts: [], joins: [{ id: 6, groupId: 100 }], ends: [] });
  });

  it('it ends when a tenth is left, who are told of one by one', () => {
    const left = (count: number): Open[] => range(count).map((id) => one(id, { groupId: 100 }));
    assert.deepEqual(planGroups([many(100, several, 20), ...left(3)], network).ends, []);
    assert.deepEqual(planGroups([many(100, several, 20), ...left(2)], network).ends, [{ groupId: 100, left: [1, 2] }]);
    assert.deepEqual(planGroups([many(100, several, 5)], network).ends, [{ groupId: 100, left: [] }]);
  });

  for (const [what, config, addresses, expected] of [
    ['as its settings say', { network: 'north', base: 'https://fhir.example.org/r4' }, ['10.1.2.3'], 'north'],
    ['by the server that is asked', { base: 'https://fhir.example.org/r4' }, [], 'fhir.example.org'],
    ['by the /24 it comes from', {}, ['10.1.2.3', '10.9.9.9'], '10.1.2.0/24'],
    ['not known', {}, [], undefined],
  ] as const) {
    it(`the network of an endpoint: ${what}`, () => assert.equal(networkOf({ config, addresses }), expected));
  }
});
