/** transaction. @see https://hl7.org/fhir/R4/http.html#transaction */
import assert from 'node:assert/strict';
import { conditionsMax } from '../../src/api/bundle/rewrite.ts';
import { sql } from '../../src/db/sql.ts';
import { given } from '../given.ts';
import { givenConsent } from '../given-consent.ts';
import { givenBundles, type Json } from './given-bundles.ts';

describe('http.html#transaction', () => {
  const { world, about, create, entries, get, identified, post, put, read, remove, send, statuses, transact, uuid } =
    givenBundles();

  describe('the answer (bundle.html#transaction-response)', () => {
    it('has an entry for each, in order: status, location, etag, lastModified, the resource', async () => {
      const response = await transact(post(given.patient(), {}, uuid(1)), post(about(uuid(1))));
      assert.equal(response.json['type'], 'transaction-response');
      const [patient, observation] = entries(response);
      assert.equal(patient?.['response'].status, '201 Created');
      assert.equal(patient?.['response'].etag, 'W/"1"');
      assert.match(patient?.['response'].location as string, /\/Patient\/[^/]+\/_history\/1$/);
      assert.match(patient?.['response'].lastModified as string, /^\d{4}-\d\d-\d\dT/);
      assert.equal(observation?.['resource'].subject.reference, `Patient/${patient?.['resource'].id}`);
    });

    for (const [wanted, part] of [
      ['minimal', undefined],
      ['representation', 'resource'],
      ['OperationOutcome', 'outcome'],
    ] as const) {
      it(`Prefer: return=${wanted} holds for each entry`, async () => {
        const response = await send('transaction', [post(given.patient())], world.hospital, {
          prefer: `return=${wanted}`,
        });
        const [entry] = entries(response);
        assert.equal(entry?.['resource'] !== undefined, part === 'resource');
        assert.equal(entry?.['response'].outcome !== undefined, part === 'outcome');
      });
    }

    it('an empty transaction is answered with an empty Bundle', async () => {
      const response = await world.hub.send('POST', '/fhir/R4/', world.hospital, {
        body: { resourceType: 'Bundle', type: 'transaction' },
      });
      assert.deepEqual(response.json, { resourceType: 'Bundle', type: 'transaction-response' });
    });
  });

  describe('processing rules (#trules)', () => {
    it('DELETE, then POST, then PUT, then GET, whatever their order', async () => {
      const { body, query } = identified();
      const old = await create(body);
      const kept = await create(given.patient({ family: 'Before' }));
      const response = await transact(
        read(`Patient/${kept}`),
        put({ ...given.patient({ id: kept, family: 'After' }) }),
        post(body, { ifNoneExist: query }),
        remove(`Patient/${old}`),
        read(`Patient?${query}`),
      );
      assert.deepEqual(statuses(response), ['200', '200', '201', '204', '200']);
      const [seen, , made, , found] = entries(response);
      assert.equal(seen?.['resource'].name[0].family, 'After');
      assert.deepEqual(
        found?.['resource'].entry.map((one: Json) => one['resource'].id),
        [made?.['resource'].id],
      );
    });

    it('all or nothing: one that fails undoes the others, and is named', async () => {
      const { body, query } = identified();
      const response = await transact(post(body), post(about('Patient/nobody')));
      assert.equal(response.status, 422, response.text);
      assert.deepEqual(response.json['issue'][0].expression, ['Bundle.entry[1]']);
      assert.equal((await get(`Patient?${query}`)).json['total'], 0);
    });

    it('everything that is wrong is told at once, each with its place', async () => {
      const response = await transact(
        post({ ...given.patient(), gender: 'm' }),
        post(given.patient()),
        post({ ...given.patient(), colour: 'red' }),
      );
      assert.deepEqual(
        response.json['issue'].map(({ expression }: Json) => expression[0]),
        ['Bundle.entry[0].resource.gender', 'Bundle.entry[2].resource.colour'],
      );
    });

    it('two entries that write the same resource: refused', async () => {
      const id = await create(given.patient());
      const response = await transact(put(given.patient({ id, family: 'One' })), remove(`Patient/${id}`));
      assert.deepEqual([response.status, response.json['issue'][0].code], [400, 'duplicate'], response.text);
      assert.equal((await get(`Patient/${id}`)).headers.get('etag'), 'W/"1"');
    });

    it('a conditional update that resolves to a resource another entry writes: refused', async () => {
      const { body, query } = identified();
      const id = await create(body);
      const response = await transact(
        { resource: { ...body, gender: 'male' }, request: { method: 'PUT', url: `Patient?${query}` } },
        remove(`Patient/${id}`),
      );
      assert.equal(response.status, 400);
    });

    it('a read that fails fails the transaction', async () => {
      const { body, query } = identified();
      assert.equal((await transact(post(body), read('Patient/none'))).status, 404);
      assert.equal((await get(`Patient?${query}`)).json['total'], 0);
    });
  });

  describe('links between entries (#trules)', () => {
    it('a urn:uuid or urn:oid fullUrl becomes the id, before and after it is defined', async () => {
      const oid = 'urn:oid:2.999.1.2.3';
      const response = await transact(
        post(about(uuid(7))),
        post(given.patient(), {}, uuid(7)),
        post(given.patient(), {}, oid),
        post(about(oid)),
      );
      const [first, one, two, last] = entries(response).map(({ resource }) => resource as Json);
      assert.equal(first?.['subject'].reference, `Patient/${one?.['id']}`);
      assert.equal(last?.['subject'].reference, `Patient/${two?.['id']}`);
    });

    it('so do a RESTful fullUrl, and a relative reference below its root (bundle.html#references)', async () => {
      const root = 'https://source.example/fhir';
      const response = await transact(
        post(given.patient(), {}, `${root}/Patient/123`),
        post(about(`${root}/Patient/123`), {}, `${root}/Observation/1`),
        post(about('Patient/123'), {}, `${root}/Observation/2`),
      );
      const [patient, absolute, relative] = entries(response).map(({ resource }) => resource as Json);
      assert.equal(absolute?.['subject'].reference, `Patient/${patient?.['id']}`);
      assert.equal(relative?.['subject'].reference, `Patient/${patient?.['id']}`);
    });

    it('uri and url elements, narrative links and contained resources too; canonicals, strings and other URNs stay', async () => {
      const div = `<div xmlns="http://www.w3.org/1999/xhtml"><a href="${uuid(8)}">x</a><a href="#y">y</a></div>`;
      const response = await transact(
        post(given.patient(), {}, uuid(8)),
        post({ resourceType: 'Binary', contentType: 'text/plain', data: 'eA==' }, {}, uuid(9)),
        post({
          resourceType: 'DocumentReference',
          status: 'current',
          text: { status: 'additional', div },
          contained: [{ resourceType: 'RelatedPerson', id: 'r', patient: { reference: uuid(8) } }],
          identifier: [{ system: 'urn:ietf:rfc:3986', value: uuid(8) }],
          meta: { profile: [uuid(8)] },
          subject: { reference: uuid(8) },
          author: [{ reference: '#r' }],
          context: { related: [{ reference: uuid(77) }] },
          content: [{ attachment: { contentType: 'text/plain', url: uuid(9) } }],
        }),
      );
      const [patient, binary, document] = entries(response).map(({ resource }) => resource as Json);
      const address = `Patient/${patient?.['id']}`;
      assert.match(document?.['text'].div as string, new RegExp(`<a href="${address}">x</a><a href="#y">y</a>`));
      assert.equal(document?.['contained'][0].patient.reference, address);
      assert.equal(document?.['content'][0].attachment.url, `Binary/${binary?.['id']}`);
      assert.deepEqual(
        [document?.['identifier'][0].value, document?.['meta'].profile[0], document?.['context'].related[0].reference],
        [uuid(8), uuid(8), uuid(77)],
      );
    });

    it('a link to a conditional create leads to what is there', async () => {
      const { body, query } = identified();
      const id = await create(body);
      const [patient, observation] = entries(
        await transact(post(body, { ifNoneExist: query }, uuid(1)), post(about(uuid(1)))),
      );
      assert.deepEqual(
        [patient?.['response'].status, observation?.['resource'].subject.reference],
        ['200 OK', `Patient/${id}`],
      );
    });

    it('a version of a reference stays', async () => {
      const id = await create(given.patient());
      const [observation] = entries(await transact(post(about(`Patient/${id}/_history/1`))));
      assert.equal(observation?.['resource'].subject.reference, `Patient/${id}/_history/1`);
    });

    it('two entries with one fullUrl: refused (bdl-7)', async () => {
      assert.equal(
        (await transact(post(given.patient(), {}, uuid(1)), post(given.patient(), {}, uuid(1)))).status,
        400,
      );
    });
  });

  describe('conditional references (#trules)', () => {
    it('one match: it becomes its id', async () => {
      const { body, query } = identified();
      const id = await create(body);
      const [observation] = entries(await transact(post(about(`Patient?${query}`))));
      assert.equal(observation?.['resource'].subject.reference, `Patient/${id}`);
    });

    it('what the same transaction creates is a match', async () => {
      const { body, query } = identified();
      const [observation, patient] = entries(await transact(post(about(`Patient?${query}`)), post(body)));
      assert.equal(observation?.['resource'].subject.reference, `Patient/${patient?.['resource'].id}`);
    });

    it('what is there and written anew by condition is one match, not two', async () => {
      const { body, query } = identified();
      const id = await create(body);
      const [observation] = entries(
        await transact(post(about(`Patient?${query}`)), {
          resource: { ...body, gender: 'male' },
          request: { method: 'PUT', url: `Patient?${query}` },
        }),
      );
      assert.equal(observation?.['resource'].subject.reference, `Patient/${id}`);
      const [again, found] = entries(
        await transact(post(about(`Patient?${query}`)), post(body, { ifNoneExist: query })),
      );
      assert.equal(again?.['resource'].subject.reference, `Patient/${id}`);
      assert.equal(found?.['response'].status, '200 OK');
    });

    it('what is there and another that is created beside it are two: 412', async () => {
      const { body, query } = identified();
      await create(body);
      const response = await transact(post(given.patient()), post(about(`Patient?${query}`)), post(body));
      assert.deepEqual(
        [response.status, response.json['issue'][0].expression],
        [412, ['Bundle.entry[1]']],
        response.text,
      );
    });

    const refused: [string, () => Promise<string>, number][] = [
      ['no match', async () => `Patient?${identified().query}`, 412],
      [
        'several matches',
        async () => {
          const { body, query } = identified();
          await create(body);
          await create(body);
          return `Patient?${query}`;
        },
        412,
      ],
      [
        'a match that the caller may not see, as if there were none (LEAKS 23)',
        async () => {
          const { body, query } = identified();
          await create(body, world.other);
          return `Patient?${query}`;
        },
        412,
      ],
      ['an unknown parameter', async () => 'Patient?colour=red', 400],
      ['no parameter', async () => 'Patient?_count=1', 412],
    ];
    for (const [title, reference, status] of refused) {
      it(`${title}: ${status}`, async () => {
        const response = await transact(post(about(await reference())));
        assert.equal(response.status, status, response.text);
        assert.match(response.json['issue'][0].expression?.[0] as string, /^Bundle\.entry\[0\](\.request)?$/);
      });
    }

    it('what another wrote is found when consent lets the caller see it, and the patient’s log has the search', async () => {
      const { body, value } = identified();
      const patient = await create(body, world.other);
      const encounter = {
        ...given.encounter({ patient, start: '2026-01-01' }),
        identifier: [{ system: 'urn:e', value }],
      };
      const id = await create(encounter, world.other);
      const self = await world.hub.token('patient', { patient, fhirUser: `Patient/${patient}` });
      await world.hub.send('POST', 'Consent', self, { body: givenConsent(patient, 'Organization/hospital') });
      const own = await create(given.patient());
      const reference = `Encounter?identifier=urn:e|${value}`;
      const answer = await transact(post(about(`Patient/${own}`, { encounter: { reference } })));
      const [observation] = entries(answer);
      assert.equal(observation?.['resource'].encounter.reference, `Encounter/${id}`);
      const log = (await get('AuditEvent', self)).json['entry'] as Json[];
      assert.ok(
        log.some(
          ({ resource }) =>
            resource.subtype.at(-1).code === 'search-type' && /hospital/.test(JSON.stringify(resource.agent)),
        ),
      );
    });

    it(`more than ${conditionsMax} different ones: 413, before any is looked up`, async () => {
      const related = Array.from({ length: conditionsMax + 1 }, (_, n) => ({
        reference: `Encounter?identifier=urn:x|${n}`,
      }));
      const response = await transact(post(about('Patient/x', { partOf: related })));
      assert.deepEqual([response.status, response.json['issue'][0].code], [413, 'too-costly'], response.text);
    });

    it('outside of a transaction they are no references', async () => {
      const response = await world.hub.send('POST', 'Observation', world.hospital, {
        body: about('Patient?identifier=x'),
      });
      assert.equal(response.status, 422);
    });
  });

  describe('conditions and preconditions of entries', () => {
    it('ifNoneExist twice makes one resource', async () => {
      const { body, query } = identified();
      const response = await transact(post(body, { ifNoneExist: query }), post(body, { ifNoneExist: query }));
      assert.deepEqual(statuses(response), ['201', '200']);
      const [one, two] = entries(response);
      assert.equal(one?.['resource'].id, two?.['resource'].id);
    });

    it('ifMatch of another version: 412', async () => {
      const id = await create(given.patient());
      const changed = given.patient({ id, family: 'New' });
      assert.equal((await transact(put(changed, { ifMatch: 'W/"2"' }))).status, 412);
      assert.deepEqual(statuses(await transact(put(changed, { ifMatch: 'W/"1"' }))), ['200']);
    });

    it('ifNoneMatch of the current version on a read: 304', async () => {
      const id = await create(given.patient());
      assert.deepEqual(statuses(await transact(read(`Patient/${id}`, { ifNoneMatch: 'W/"1"' }))), ['304']);
    });

    it('conditional update creates, updates and deletes by condition', async () => {
      const { body, query } = identified();
      const upsert = { resource: body, request: { method: 'PUT', url: `Patient?${query}` } };
      assert.deepEqual(statuses(await transact(upsert)), ['201']);
      assert.deepEqual(statuses(await transact({ ...upsert, resource: { ...body, gender: 'male' } })), ['200']);
      assert.deepEqual(statuses(await transact(remove(`Patient?${query}`))), ['204']);
    });

    it('a whole visit that is sent again makes nothing twice (the example of README.md)', async () => {
      const { body, query, value } = identified();
      const result = { ...about(uuid(1)), identifier: [{ system: 'urn:t-result', value }] };
      const visit = [
        post(body, { ifNoneExist: query }, uuid(1)),
        {
          resource: result,
          request: { method: 'PUT', url: `Observation?identifier=urn:t-result|${value}` },
        },
      ];
      assert.deepEqual(statuses(await transact(...visit)), ['201', '201']);
      const again = await transact(...visit);
      assert.deepEqual(statuses(again), ['200', '200']);
      assert.equal(entries(again)[1]?.['response'].etag, 'W/"1"');
    });

    it('PATCH by JSON Patch in a Binary, and by FHIRPath Patch', async () => {
      const [one, two] = [await create(given.patient()), await create(given.patient())];
      const operations = Buffer.from('[{"op":"add","path":"/gender","value":"male"}]').toString('base64');
      const response = await transact(
        {
          resource: { resourceType: 'Binary', contentType: 'application/json-patch+json', data: operations },
          request: { method: 'PATCH', url: `Patient/${one}` },
        },
        {
          resource: {
            resourceType: 'Parameters',
            parameter: [
              {
                name: 'operation',
                part: [
                  { name: 'type', valueCode: 'add' },
                  { name: 'path', valueString: 'Patient' },
                  { name: 'name', valueString: 'gender' },
                  { name: 'value', valueCode: 'female' },
                ],
              },
            ],
          },
          request: { method: 'PATCH', url: `Patient/${two}` },
        },
      );
      assert.deepEqual(
        entries(response).map(({ resource }) => resource.gender),
        ['male', 'female'],
      );
    });

    it('PUT under ids that are not taken creates them, and others may refer to them', async () => {
      const response = await transact(
        put({ ...about('Patient/t-put-1'), id: 't-put-o' }),
        put(given.patient({ id: 't-put-1' })),
      );
      assert.deepEqual(statuses(response), ['201', '201']);
    });

    it('a Patient goes with its record', async () => {
      const patient = await create(given.patient());
      const observation = await create(given.observation({ patient }));
      const response = await transact(remove(`Patient/${patient}`), remove(`Observation/${observation}`));
      assert.deepEqual(statuses(response), ['204', '204']);
    });
  });

  describe('what follows a write follows in the same transaction', () => {
    it('the rules of a Consent', async () => {
      const patient = await create(given.patient());
      const self = await world.hub.token('patient', { patient, fhirUser: `Patient/${patient}` });
      const ai = await world.hub.token('ai', { organization: 'Organization/assistant' });
      const response = await send('transaction', [post(givenConsent(patient, 'Organization/assistant'))], self);
      assert.deepEqual(statuses(response), ['201']);
      assert.equal((await get(`Patient/${patient}`, ai)).status, 200);
    });

    it('a Consent that cannot be enforced undoes all, and is named', async () => {
      const patient = await create(given.patient());
      const self = await world.hub.token('patient', { patient, fhirUser: `Patient/${patient}` });
      const broken = givenConsent(patient, 'Organization/assistant', { actor: undefined });
      const response = await send(
        'transaction',
        [post(givenConsent(patient, 'Organization/assistant')), post(broken)],
        self,
      );
      assert.equal(response.status, 422, response.text);
      assert.match(JSON.stringify(response.json['issue']), /Bundle\.entry\[1\]/);
      assert.equal((await get(`Consent?patient=Patient/${patient}`, self)).json['total'], 0);
    });

    it('each entry is in the log of its patient, under its own interaction; a refused one too', async () => {
      const patient = await create(given.patient());
      const self = await world.hub.token('patient', { patient, fhirUser: `Patient/${patient}` });
      await transact(post(about(`Patient/${patient}`)), read(`Patient/${patient}`));
      const log = (await get('AuditEvent', self)).json['entry'] as Json[];
      const codes = log.map(({ resource }) => resource.subtype.at(-1).code as string);
      assert.ok(codes.filter((code) => code === 'create').length >= 2, codes.join());
      await send('transaction', [read(`Patient/${patient}`)], world.other);
      const after = (await get('AuditEvent', self)).json['entry'] as Json[];
      assert.ok(after.some(({ resource }) => resource.outcome === '4' && /other/.test(JSON.stringify(resource.agent))));
    });
  });

  describe('at the same time', () => {
    it('transactions that touch the same resources in different orders: no lost update, no error', async () => {
      const ids = await Promise.all(
        Array.from({ length: 6 }, () => create({ ...given.patient(), identifier: [{ value: '0' }] })),
      );
      const add = (id: string, n: number): object => ({
        resource: {
          resourceType: 'Binary',
          contentType: 'application/json-patch+json',
          data: Buffer.from(JSON.stringify([{ op: 'add', path: '/identifier/-', value: { value: `${n}` } }])).toString(
            'base64',
          ),
        },
        request: { method: 'PATCH', url: `Patient/${id}` },
      });
      const answers = await Promise.all(
        Array.from({ length: 64 }, (_, n) => {
          const order = n % 2 === 0 ? ids : ids.toReversed();
          return transact(...order.slice(n % 3, 3 + (n % 3)).map((id) => add(id, n)));
        }),
      );
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
      let added = 0;
      for (const id of ids) added += (await get(`Patient/${id}`)).json['identifier'].length - 1;
      assert.equal(added, 64 * 3);
      const [waited] = await world.hub.database.query<{ deadlocks: number }>(
        sql`select deadlocks::int as deadlocks from pg_stat_database where datname = current_database()`,
      );
      assert.equal(waited?.deadlocks, 0, 'rows are locked in one order');
    });

    it('transactions that create the same ids: each is created once, the others update it', async () => {
      const answers = await Promise.all(
        Array.from({ length: 16 }, (_, n) => {
          const both = ['t-race-1', 't-race-2'].map((id) => put(given.patient({ id, family: `F${n}` })));
          return transact(...(n % 2 === 0 ? both : both.toReversed()));
        }),
      );
      const codes = answers.flatMap(statuses);
      assert.equal(codes.filter((code) => code === '201').length, 2);
      assert.ok(codes.every((code) => code === '201' || code === '200'));
    });

    it('the same conditional creates in many transactions make one resource each', async () => {
      const some = [identified(), identified()];
      const answers = await Promise.all(
        Array.from({ length: 16 }, (_, n) => {
          const both = some.map(({ body, query }) => post(body, { ifNoneExist: query }));
          return transact(...(n % 2 === 0 ? both : both.toReversed()));
        }),
      );
      assert.equal(answers.flatMap(statuses).filter((code) => code === '201').length, 2);
      for (const { query } of some) assert.equal((await get(`Patient?${query}`)).json['total'], 1);
    });
  });
});
