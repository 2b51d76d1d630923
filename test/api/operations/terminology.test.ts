/** The terminology operations over real sockets, as R4 has them. */
import assert from 'node:assert/strict';
import type { AnyResource } from '../../../src/fhir/types.ts';
import { validate } from '../../../src/fhir/validate.ts';
import { loadResource } from '../../../src/store/terminology/load.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';
import {
  animalMap,
  animals,
  animalSystem,
  givenTerminology,
  letters,
  letterSystem,
} from '../../store/terminology/given.ts';

type Part = { name: string; part?: Part[] } & Record<string, unknown>;

const gender = 'http://hl7.org/fhir/ValueSet/administrative-gender';
const genders = 'http://hl7.org/fhir/administrative-gender';
const mammals = 'http://example.org/vs/mammals';
const mammalSet: AnyResource = {
  resourceType: 'ValueSet',
  id: 'mammals',
  url: mammals,
  version: '2',
  name: 'Mammals',
  status: 'active',
  compose: {
    include: [{ system: animals, filter: [{ property: 'concept', op: 'is-a', value: 'mammal' }] }],
    exclude: [{ system: animals, concept: [{ code: 'bat' }] }],
  },
};

describe('terminology operations', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let ai: string;
  before(async () => {
    hub = await givenHub();
    ai = await hub.token('ai', { scope: 'system/CodeSystem.rs system/ValueSet.rs system/ConceptMap.rs' });
    await givenTerminology(hub.database, [animalSystem, letterSystem, animalMap, mammalSet]);
  });
  after(() => hub.close());

  const get = (path: string, token = ai): Promise<HubResponse> => hub.send('GET', path, token);
  const query = (parameters: Record<string, string>): string => new URLSearchParams(parameters).toString();
  const post = (path: string, parameter: object[], token = ai): Promise<HubResponse> =>
    hub.send('POST', path, token, { body: { resourceType: 'Parameters', parameter } });
  /** The values of a Parameters answer: `{result: true, match: [{equivalence: ...}]}`. */
  const values = (list: readonly Part[] = []): Record<string, unknown> => {
    const found: Record<string, unknown[]> = {};
    for (const { name, part, ...value } of list)
      (found[name] ??= []).push(part === undefined ? Object.values(value)[0] : values(part));
    return Object.fromEntries(Object.entries(found).map(([name, all]) => [name, all.length === 1 ? all[0] : all]));
  };
  const ask = async (path: string, token?: string): Promise<Record<string, unknown>> => {
    const response = await get(path, token);
    assert.equal(response.status, 200, response.text);
    assert.equal(response.json['resourceType'], 'Parameters');
    return values(response.json['parameter'] as Part[]);
  };
  const codes = ({ json }: HubResponse): string[] =>
    ((json['expansion'].contains ?? []) as { code: string }[]).map(({ code }) => code);

  describe('$expand (https://hl7.org/fhir/R4/valueset-operation-expand.html)', () => {
    it('by url: the definition without its composition, the codes with system, version and display', async () => {
      const response = await get(`ValueSet/$expand?${query({ url: mammals })}`);
      assert.equal(response.status, 200, response.text);
      const { expansion, ...header } = response.json;
      assert.deepEqual([header['url'], header['version'], header['compose']], [mammals, '2', undefined]);
      assert.deepEqual(codes(response), ['mammal', 'cat', 'mammoth']);
      assert.deepEqual(expansion.contains[1], { system: animals, version: '1', code: 'cat', display: 'Cat' });
      assert.equal(expansion.contains[2].inactive, true);
      assert.equal(expansion.total, 3);
      assert.match(expansion.identifier, /^urn:uuid:/);
      assert.deepEqual(expansion.parameter, [{ name: 'version', valueUri: `${animals}|1` }]);
    });

    it("R4's own, by url with its version, and by id", async () => {
      const expected = ['male', 'female', 'other', 'unknown'];
      assert.deepEqual(codes(await get(`ValueSet/$expand?${query({ url: `${gender}|4.0.1` })}`)), expected);
      assert.deepEqual(codes(await get('ValueSet/administrative-gender/$expand')), expected);
      assert.equal((await get(`ValueSet/$expand?${query({ url: `${gender}|3.0` })}`)).status, 404);
    });

    it('of a value set that is sent along, alone or as a parameter', async () => {
      const compose = { include: [{ system: letters }] };
      const body = { resourceType: 'ValueSet', status: 'active', compose };
      assert.deepEqual(codes(await hub.send('POST', 'ValueSet/$expand', ai, { body })), ['A', 'B', 'C']);
      const parameter = [
        { name: 'valueSet', resource: body },
        { name: 'count', valueInteger: 1 },
        { name: 'offset', valueInteger: 1 },
      ];
      const { json } = await post('ValueSet/$expand', parameter);
      assert.deepEqual(
        [json['expansion'].offset, json['expansion'].total, json['expansion'].contains[0].code],
        [1, 3, 'B'],
      );
    });

    const rows: [string, Record<string, string>, string[]][] = [
      ['filter', { filter: 'ca' }, ['cat']],
      ['activeOnly', { activeOnly: 'true' }, ['mammal', 'cat']],
      ['count and offset', { count: '1', offset: '1' }, ['cat']],
    ];
    for (const [title, parameters, expected] of rows) {
      it(title, async () =>
        assert.deepEqual(codes(await get(`ValueSet/$expand?${query({ url: mammals, ...parameters })}`)), expected),
      );
    }

    it('an id that is none is of nothing: 404', async () => {
      for (const id of ['%00', 'a%20b', '%F0%9F%A7%AC', 'x'.repeat(65)]) {
        assert.equal((await get(`ValueSet/${id}/$expand`)).status, 404, id);
      }
    });

    it('displayLanguage and includeDesignations', async () => {
      const { json } = await get(
        `ValueSet/$expand?${query({ url: mammals, displayLanguage: 'zh', includeDesignations: 'true' })}`,
      );
      const [mammal, cat] = json['expansion'].contains;
      assert.deepEqual([mammal.display, cat.display, cat.designation.length], ['Mammal', '猫', 2]);
    });

    const refused: [string, string, number, string][] = [
      ['an unknown value set', query({ url: 'http://example.org/none' }), 404, 'not-found'],
      ['no value set', '', 400, 'required'],
      ['a parameter that is not served', query({ url: mammals, context: 'x' }), 400, 'not-supported'],
      ['a count that is none', query({ url: mammals, count: 'many' }), 400, 'value'],
      ['a system whose codes are not loaded', query({ url: 'http://snomed.info/sct?fhir_vs' }), 400, 'not-supported'],
    ];
    for (const [title, parameters, status, code] of refused) {
      it(`${title} is ${status} ${code}`, async () => {
        const response = await get(`ValueSet/$expand?${parameters}`);
        assert.deepEqual([response.status, response.json['issue'][0].code], [status, code], response.text);
      });
    }
    it('a value set that is not valid R4 is refused with its expression', async () => {
      const body = { resourceType: 'ValueSet', status: 'active', compose: { include: 'all' } };
      const response = await hub.send('POST', 'ValueSet/$expand', ai, { body });
      assert.deepEqual([response.status, response.json['issue'][0].expression], [400, ['ValueSet.compose.include']]);
    });
    it('more codes than an answer holds are too-costly, unless pages are asked for', async () => {
      const url = 'http://example.org/many';
      const concept = Array.from({ length: 10_001 }, (_, index) => ({ code: `c${index}` }));
      await givenTerminology(hub.database, [{ ...letterSystem, id: 'many', url, concept }]);
      const all = await get(`ValueSet/$expand?${query({ url: `${url}?fhir_vs` })}`);
      assert.deepEqual([all.status, all.json['issue'][0].code], [403, 'too-costly']);
      const page = await get(`ValueSet/$expand?${query({ url: `${url}?fhir_vs`, count: '2', offset: '10000' })}`);
      assert.deepEqual([codes(page), page.json['expansion'].total], [['c10000'], 10_001]);
    });
  });

  describe('$lookup (https://hl7.org/fhir/R4/codesystem-operation-lookup.html)', () => {
    it('name, version, display, designations, properties, parents and children', async () => {
      const found = await ask(`CodeSystem/$lookup?${query({ system: animals, code: 'cat' })}`);
      assert.deepEqual([found['name'], found['version'], found['display']], ['Animals', '1', 'Cat']);
      assert.deepEqual(found['designation'], [
        { language: 'de', value: 'Katze' },
        { language: 'zh', value: '猫' },
      ]);
      assert.deepEqual(found['property'], [
        { code: 'definition', value: 'It purrs.' },
        { code: 'inactive', value: false },
        { code: 'parent', value: 'mammal' },
        { code: 'legs', value: 4 },
        { code: 'sound', value: 'meow' },
      ]);
    });
    it('property names what is wanted', async () => {
      const found = await ask(`CodeSystem/$lookup?${query({ system: animals, code: 'night', property: 'child' })}`);
      assert.deepEqual(found['property'], [
        { code: 'child', value: 'bat' },
        { code: 'child', value: 'owl' },
      ]);
    });
    it('of a coding, by POST, in a language', async () => {
      const coding = { name: 'coding', valueCoding: { system: animals, code: 'cat' } };
      const { json } = await post('CodeSystem/$lookup', [coding, { name: 'displayLanguage', valueCode: 'de' }]);
      assert.equal(values(json['parameter'])['display'], 'Katze');
    });
    it("of R4's own systems", async () =>
      assert.equal(
        (await ask(`CodeSystem/$lookup?${query({ system: genders, code: 'female' })}`))['display'],
        'Female',
      ));
    const refused: [string, Record<string, string>, number, string][] = [
      ['a code that the system has not', { system: animals, code: 'unicorn' }, 404, 'not-found'],
      ['a code in another case, where case counts', { system: animals, code: 'Cat' }, 404, 'not-found'],
      ['a system that is not loaded', { system: 'http://loinc.org', code: '718-7' }, 400, 'not-supported'],
      ['a version that is not loaded', { system: animals, code: 'cat', version: '9' }, 400, 'not-supported'],
      ['no code', { system: animals }, 400, 'required'],
      ['no system', { code: 'cat' }, 400, 'required'],
    ];
    for (const [title, parameters, status, code] of refused) {
      it(`${title} is ${status} ${code}`, async () => {
        const response = await get(`CodeSystem/$lookup?${query(parameters)}`);
        assert.deepEqual([response.status, response.json['issue'][0].code], [status, code], response.text);
      });
    }
  });

  describe('$validate-code of a CodeSystem (https://hl7.org/fhir/R4/codesystem-operation-validate-code.html)', () => {
    const rows: [string, string, Record<string, string>, boolean][] = [
      ['a code of it', '', { url: animals, code: 'cat' }, true],
      ['with its display, in any case', '', { url: animals, code: 'cat', display: 'CAT' }, true],
      ['with a designation as display', '', { url: animals, code: 'cat', display: 'Katze' }, true],
      ['with another display', '', { url: animals, code: 'cat', display: 'Dog' }, false],
      ['a code it has not', '', { url: animals, code: 'dog' }, false],
      ['an abstract code', '', { url: animals, code: 'animal' }, false],
      ['an abstract code where those are allowed', '', { url: animals, code: 'animal', abstract: 'true' }, true],
      ['in another case, where case does not count', '', { url: letters, code: 'b' }, true],
      ['of the instance', 'animals/', { code: 'cat' }, true],
    ];
    for (const [title, instance, parameters, expected] of rows) {
      it(`${title}: ${expected}`, async () => {
        const found = await ask(`CodeSystem/${instance}$validate-code?${query(parameters)}`);
        assert.equal(found['result'], expected);
        assert.equal(found['message'] === undefined, expected);
      });
    }
    it('says the display that is right', async () => {
      const found = await ask(`CodeSystem/$validate-code?${query({ url: animals, code: 'cat', display: 'Dog' })}`);
      assert.deepEqual([found['display'], found['message']], ['Cat', "the display of 'cat' is 'Cat'"]);
    });
    it('a CodeableConcept is valid when one of its codings is', async () => {
      const concept = (...coding: object[]): object[] => [
        { name: 'url', valueUri: animals },
        { name: 'codeableConcept', valueCodeableConcept: { coding } },
      ];
      const result = async (...coding: object[]): Promise<unknown> =>
        values((await post('CodeSystem/$validate-code', concept(...coding))).json['parameter'])['result'];
      const [dog, cat] = ['dog', 'cat'].map((code) => ({ system: animals, code })) as [object, object];
      assert.equal(await result(dog, cat), true);
      assert.equal(await result(dog, { system: letters, code: 'A' }), false);
      assert.equal(await result(), false);
    });
  });

  describe('$validate-code of a ValueSet (https://hl7.org/fhir/R4/valueset-operation-validate-code.html)', () => {
    const rows: [string, string, Record<string, string>, boolean][] = [
      ['a code in it', '', { url: mammals, system: animals, code: 'cat' }, true],
      ['a code that is excluded', '', { url: mammals, system: animals, code: 'bat' }, false],
      ['a code of the system that is not in it', '', { url: mammals, system: animals, code: 'owl' }, false],
      ['the code of another system', '', { url: mammals, system: letters, code: 'cat' }, false],
      ['a wrong display', '', { url: mammals, system: animals, code: 'cat', display: 'Dog' }, false],
      ['of the instance', 'mammals/', { system: animals, code: 'cat' }, true],
      ["in R4's own", '', { url: gender, system: genders, code: 'male' }, true],
      ["not in R4's own", '', { url: gender, system: genders, code: 'm' }, false],
    ];
    for (const [title, instance, parameters, expected] of rows) {
      it(`${title}: ${expected}`, async () => {
        const found = await ask(`ValueSet/${instance}$validate-code?${query(parameters)}`);
        assert.equal(found['result'], expected);
      });
    }
    it('a code without a system is refused', async () =>
      assert.equal((await get(`ValueSet/$validate-code?${query({ url: mammals, code: 'cat' })}`)).status, 400));
    it('what cannot be known without codes that are not loaded is refused, not denied', async () => {
      const include = [{ system: 'http://loinc.org' }, { system: letters }];
      const valueSet = {
        name: 'valueSet',
        resource: { resourceType: 'ValueSet', status: 'active', compose: { include } },
      };
      const coding = (system: string, code: string): object => ({ name: 'coding', valueCoding: { system, code } });
      assert.equal((await post('ValueSet/$validate-code', [valueSet, coding('http://loinc.org', 'x')])).status, 400);
      const other = await post('ValueSet/$validate-code', [valueSet, coding(letters, 'A')]);
      assert.equal(values(other.json['parameter'])['result'], true);
    });
  });

  describe('$subsumes (https://hl7.org/fhir/R4/codesystem-operation-subsumes.html)', () => {
    const rows: [string, string, string][] = [
      ['cat', 'cat', 'equivalent'],
      ['animal', 'owl', 'subsumes'],
      ['owl', 'night', 'subsumed-by'],
      ['cat', 'owl', 'not-subsumed'],
    ];
    for (const [codeA, codeB, outcome] of rows) {
      it(`${codeA}, ${codeB}: ${outcome}`, async () => {
        const found = await ask(`CodeSystem/$subsumes?${query({ system: animals, codeA, codeB })}`);
        assert.equal(found['outcome'], outcome);
        assert.deepEqual(await ask(`CodeSystem/animals/$subsumes?${query({ codeA, codeB })}`), found);
      });
    }
    for (const [title, parameters] of [
      ['an unknown code', { system: animals, codeA: 'cat', codeB: 'dog' }],
      ['one code', { system: animals, codeA: 'cat' }],
      ['no system', { codeA: 'cat', codeB: 'owl' }],
    ] as const) {
      it(`${title} is 400`, async () =>
        assert.equal((await get(`CodeSystem/$subsumes?${query(parameters)}`)).status, 400));
    }
    it('codes of two systems are refused', async () => {
      const coding = (letter: string, system: string, code: string): object => ({
        name: `coding${letter}`,
        valueCoding: { system, code },
      });
      const list = [coding('A', animals, 'cat'), coding('B', letters, 'A')];
      assert.equal((await post('CodeSystem/$subsumes', list)).status, 400);
    });
  });

  describe('$translate (https://hl7.org/fhir/R4/conceptmap-operation-translate.html)', () => {
    const map = 'http://example.org/map';
    it('by the map, and by what it maps between', async () => {
      const expected = {
        result: true,
        match: { equivalence: 'wider', concept: { system: letters, code: 'C', display: 'Letter C' }, source: map },
      };
      const asked: string[] = [
        `ConceptMap/$translate?${query({ url: map, system: animals, code: 'cat' })}`,
        `ConceptMap/animals-to-letters/$translate?${query({ system: animals, code: 'cat' })}`,
        `ConceptMap/$translate?${query({ system: animals, code: 'cat', targetsystem: letters })}`,
        `ConceptMap/$translate?${query({ system: animals, code: 'cat', target: 'http://example.org/vs/letters' })}`,
      ];
      for (const path of asked) assert.deepEqual(await ask(path), expected, path);
    });
    it('reverse: the source of a target, seen from there', async () => {
      const found = await ask(
        `ConceptMap/$translate?${query({ url: map, system: letters, code: 'C', reverse: 'true' })}`,
      );
      assert.deepEqual(found['match'], {
        equivalence: 'narrower',
        concept: { system: animals, code: 'cat' },
        source: map,
      });
    });
    it('an element without a target is unmatched, and no translation', async () => {
      const found = await ask(`ConceptMap/$translate?${query({ url: map, system: animals, code: 'owl' })}`);
      assert.deepEqual([found['result'], found['match']], [false, { equivalence: 'unmatched', source: map }]);
    });
    it('a code the map does not list becomes what group.unmapped says', async () => {
      const found = await ask(`ConceptMap/$translate?${query({ url: map, system: animals, code: 'bird' })}`);
      assert.deepEqual((found['match'] as { concept: unknown }).concept, {
        system: letters,
        code: 'A',
        display: 'Letter A',
      });
    });
    it("R4's own maps", async () => {
      const found = await ask(
        `ConceptMap/$translate?${query({ system: genders, code: 'male', targetsystem: 'http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender' })}`,
      );
      assert.equal((found['match'] as { concept: { code: string } }).concept.code, 'M');
    });
    it('nothing to find is false with a message; an unknown map is 404', async () => {
      const found = await ask(
        `ConceptMap/$translate?${query({ system: animals, code: 'cat', targetsystem: 'http://none' })}`,
      );
      assert.deepEqual([found['result'], typeof found['message']], [false, 'string']);
      assert.equal(
        (await get(`ConceptMap/$translate?${query({ url: 'http://none', system: animals, code: 'cat' })}`)).status,
        404,
      );
    });
    it('a mapping that depends on something counts only when that holds', async () => {
      const dependsOn = [{ property: 'http://example.org/mood', system: letters, value: 'B' }];
      const element = [{ code: 'cat', target: [{ code: 'B', equivalence: 'equal', dependsOn }] }];
      const url = 'http://example.org/map/depends';
      await givenTerminology(hub.database, [
        { ...animalMap, id: 'depends', url, group: [{ source: animals, target: letters, element }] },
      ]);
      const asked = [
        { name: 'url', valueUri: url },
        { name: 'coding', valueCoding: { system: animals, code: 'cat' } },
      ];
      const dependency = (code: string): object => ({
        name: 'dependency',
        part: [
          { name: 'element', valueUri: 'http://example.org/mood' },
          { name: 'concept', valueCodeableConcept: { coding: [{ system: letters, code }] } },
        ],
      });
      const result = async (...more: object[]): Promise<unknown> =>
        values((await post('ConceptMap/$translate', [...asked, ...more])).json['parameter'])['result'];
      assert.deepEqual(
        [await result(), await result(dependency('A')), await result(dependency('B'))],
        [false, false, true],
      );
    });
  });

  describe('who is served', () => {
    it('nobody without a token; nobody whose scope is of another type, or of some resources only (LEAKS 52)', async () => {
      const path = `ValueSet/$expand?${query({ url: gender })}`;
      assert.equal((await hub.send('GET', path, undefined)).status, 401);
      for (const scope of [
        'system/CodeSystem.rs',
        'system/ValueSet.c',
        'system/ValueSet.rs?status=active',
        'hub/ops',
      ]) {
        assert.equal((await get(path, await hub.token('ai', { scope }))).status, 403, scope);
      }
      const patient = await hub.token('patient', { scope: 'patient/ValueSet.r', patient: 'p', fhirUser: 'Patient/p' });
      assert.equal((await get(path, patient)).status, 200);
    });

    it('what an organization writes by REST takes effect for itself alone', async () => {
      const url = 'http://example.org/vs/own';
      const body = { resourceType: 'ValueSet', url, status: 'active', compose: { include: [{ system: letters }] } };
      const hospital = await hub.token('hospital', { scope: 'system/*.cruds' });
      const created = await hub.send('POST', 'ValueSet', hospital, { body });
      assert.equal(created.status, 201, created.text);
      const asked = [`ValueSet/$expand?${query({ url })}`, `ValueSet/${created.json['id']}/$expand`];
      for (const path of asked) {
        assert.deepEqual(codes(await get(path, hospital)), ['A', 'B', 'C']);
        const [hidden, unknown] = [await get(path), await get('ValueSet/none/$expand')];
        assert.deepEqual([hidden.status, hidden.text], [404, unknown.text]);
      }
    });
  });

  describe('what the operator has loaded', () => {
    before(() =>
      hub.database.inTransaction((tx) =>
        loadResource(tx, { ...mammalSet, id: 'loaded', url: 'http://example.org/vs/loaded' }, new Date()),
      ),
    );

    it('is read and searched by everybody whose scope covers it, and by nobody else', async () => {
      const asked = ['ValueSet/loaded', `ValueSet?${query({ url: 'http://example.org/vs/loaded' })}`];
      const hospital = await hub.token('hospital', { scope: 'system/*.cruds' });
      for (const token of [ai, hospital]) {
        const [read, found] = await Promise.all(asked.map((path) => get(path, token)));
        assert.deepEqual([read?.status, found?.json['total']], [200, 1]);
      }
      const narrow = await hub.token('ai', { scope: 'system/CodeSystem.rs' });
      for (const path of asked) assert.equal((await get(path, narrow)).status, 403);
    });

    it('is changed and deleted by nobody', async () => {
      const hospital = await hub.token('hospital', { scope: 'system/*.cruds' });
      const body = {
        ...mammalSet,
        id: 'loaded',
        url: 'http://example.org/vs/loaded',
        compose: { include: [{ system: letters }] },
      };
      assert.equal((await hub.send('PUT', 'ValueSet/loaded', hospital, { body })).status, 404);
      assert.equal((await get('ValueSet/loaded')).json['meta'].versionId, '1');
    });
  });

  describe('metadata?mode= (https://hl7.org/fhir/R4/http.html#capabilities)', () => {
    it('terminology: valid TerminologyCapabilities, with the code systems that are here, and none of an organization', async () => {
      await givenTerminology(
        hub.database,
        [{ ...letterSystem, id: 'own', url: 'http://example.org/own' }],
        'Organization/a',
      );
      const { json, status } = await hub.send('GET', 'metadata?mode=terminology', undefined);
      assert.equal(status, 200);
      assert.deepEqual(
        validate(json).map(({ message, expression }) => `${expression.join()} ${message}`),
        [],
      );
      const systems = new Map<string, object[]>(
        json['codeSystem'].map(({ uri, version }: { uri: string; version: object[] }) => [uri, version]),
      );
      assert.deepEqual(systems.get(animals), [{ code: '1', isDefault: true }]);
      assert.ok(systems.has(genders) && systems.size > 1000);
      assert.ok(!systems.has('http://example.org/own'));
    });
    for (const [mode, expected] of [
      ['full', 'CapabilityStatement'],
      ['normative', 'CapabilityStatement'],
      ['other', 'OperationOutcome'],
    ] as const) {
      it(`${mode}: ${expected}`, async () =>
        assert.equal((await hub.send('GET', `metadata?mode=${mode}`, undefined)).json['resourceType'], expected));
    }
  });

  it('the CapabilityStatement lists each operation with its type', async () => {
    const { json } = await hub.send('GET', 'metadata', undefined);
    const of = (type: string): string[] =>
      json['rest'][0].resource
        .find((one: { type: string }) => one.type === type)
        .operation.map(
          ({ name, definition }: { name: string; definition: string }) => `${name} ${definition.split('/').pop()}`,
        );
    assert.ok(of('ValueSet').includes('expand ValueSet-expand'));
    assert.ok(of('ValueSet').includes('validate-code ValueSet-validate-code'));
    assert.ok(of('CodeSystem').includes('validate-code CodeSystem-validate-code'));
    assert.ok(of('CodeSystem').includes('lookup CodeSystem-lookup'));
    assert.ok(of('ConceptMap').includes('translate ConceptMap-translate'));
    assert.ok(!of('Patient').some((operation) => operation.startsWith('expand')));
  });
});
