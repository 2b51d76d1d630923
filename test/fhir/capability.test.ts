import assert from 'node:assert/strict';
import { buildCapability, type ServedType } from '../../src/fhir/capability.ts';
import { parseSearch } from '../../src/fhir/search.ts';
import { validate } from '../../src/fhir/validate.ts';

interface Statement {
  rest: {
    resource: {
      type: string;
      interaction: { code: string }[];
      searchParam?: { name: string; type: string }[];
      searchInclude?: string[];
      searchRevInclude?: string[];
    }[];
  }[];
}

describe('CapabilityStatement', () => {
  const served: Record<string, ServedType> = {
    Observation: { interactions: ['read', 'search-type', 'create'], includes: true },
    Binary: { interactions: ['read'] },
  };
  const statement = buildCapability({
    base: 'http://hub/fhir/R4',
    software: { name: 'hub', version: '1' },
    date: '2024-01-01T00:00:00Z',
    types: (type) => served[type],
    oauth: { token: 'http://hub/oauth/token' },
  });
  const { resource: types } = (statement as unknown as Statement).rest[0]!;

  it('is valid R4', () =>
    assert.deepEqual(
      validate(statement).map(({ message, expression }) => `${expression.join()} ${message}`),
      [],
    ));
  it('names what is routed and nothing else', () => {
    assert.deepEqual(
      types.map(({ type }) => type),
      ['Binary', 'Observation'],
    );
    assert.deepEqual(
      types[1]?.interaction.map(({ code }) => code),
      ['read', 'search-type', 'create'],
    );
    assert.equal(types[0]?.searchParam, undefined);
  });
  it('lists includes that the grammar reads, and for a type without them none', () => {
    assert.deepEqual([types[0]?.searchInclude, types[0]?.searchRevInclude], [undefined, undefined]);
    const { searchInclude = [], searchRevInclude = [] } = types[1]!;
    assert.ok(searchInclude.includes('*') && searchInclude.includes('Observation:encounter'));
    assert.ok(searchRevInclude.includes('DiagnosticReport:result') && !searchRevInclude.includes('Encounter:patient'));
    const options = { handling: 'strict', base: 'http://hub/fhir/R4', now: 0 } as const;
    for (const value of searchInclude) {
      assert.equal(parseSearch('Observation', `_include=${value}`, options).includes.length, 1);
    }
    for (const value of searchRevInclude) {
      const [include] = parseSearch('Observation', `_revinclude=${value}`, options).includes;
      assert.ok(
        include?.params.every(({ target }) => target?.includes('Observation') ?? true),
        value,
      );
    }
  });
  it('lists the parameters that the grammar reads, and no others', () => {
    const values: Record<string, string> = {
      date: '2024',
      number: '5',
      quantity: '5',
      reference: 'a',
      token: 'a',
      string: 'a',
      uri: 'a',
      composite: 'a$2024',
    };
    const params = types[1]?.searchParam ?? [];
    assert.ok(params.length > 30);
    for (const { name, type } of params) {
      parseSearch('Observation', `${name}=${values[type]}`, { handling: 'strict', base: 'http://hub/fhir/R4', now: 0 });
    }
    assert.ok(!params.some(({ name }) => name === '_query'));
  });
});
