/** Consent/$explain: what a Consent allows, said by the rules that are enforced. */
import assert from 'node:assert/strict';
import { given } from '../../given.ts';
import { givenConsent } from '../../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';

interface Part {
  readonly name: string;
  readonly part?: readonly Part[];
  readonly valueString?: string;
  readonly valueCode?: string;
}

describe('Consent/$explain', () => {
  let hub: GivenHub;
  let patient: string;
  let other: string;
  let ai: string;
  before(async () => {
    hub = await givenHub();
    const hospital = await hub.token('hospital');
    ai = await hub.token('ai', { organization: 'Organization/ai', scope: 'system/Organization.cu system/Consent.r' });
    [patient, other] = (await Promise.all(
      ['p', 'q'].map((id) => hub.token('patient', { patient: id, fhirUser: `Patient/${id}` })),
    )) as [string, string];
    for (const id of ['p', 'q']) await hub.send('PUT', `Patient/${id}`, hospital, { body: given.patient({ id }) });
    const translation = {
      url: 'http://hl7.org/fhir/StructureDefinition/translation',
      extension: [
        { url: 'lang', valueCode: 'zh' },
        { url: 'content', valueString: '健康助手' },
      ],
    };
    const named = { ...given.organization({ id: 'ai', name: 'Health helper' }), _name: { extension: [translation] } };
    const written = await hub.send('PUT', 'Organization/ai', ai, { body: named });
    assert.equal(written.status, 201, written.text);
    // What another organization says of it counts for nothing.
    const claimed = given.organization({ id: 'payer', name: 'Your hospital' });
    assert.equal((await hub.send('PUT', 'Organization/payer', hospital, { body: claimed })).status, 201);
  });
  after(() => hub.close());

  const textOf = ({ json }: HubResponse, language: string, name: string): string[] =>
    ((json['parameter'] ?? []) as Part[])
      .filter((one) => one.name === 'text' && one.part?.[0]?.valueCode === language)
      .flatMap(({ part = [] }) => part.filter((one) => one.name === name).map(({ valueString = '' }) => valueString));
  const languagesOf = ({ json }: HubResponse): (string | undefined)[] =>
    ((json['parameter'] ?? []) as Part[]).filter(({ name }) => name === 'text').map(({ part }) => part?.[0]?.valueCode);
  const stateOf = ({ json }: HubResponse): unknown =>
    ((json['parameter'] ?? []) as Part[]).find(({ name }) => name === 'state')?.valueCode;

  it('before it is written: in every language, by the name the recipient gave itself with its id', async () => {
    const found = await hub.send('POST', 'Consent/$explain', patient, { body: givenConsent('p', 'Organization/ai') });
    assert.equal(found.status, 200, found.text);
    assert.deepEqual(languagesOf(found), ['zh', 'en', 'de']);
    assert.deepEqual(textOf(found, 'en', 'sentence'), [
      'Health helper (ai) may see for your care and health advice, until you stop it: all your records; nothing that is specially protected.',
    ]);
    assert.match(textOf(found, 'zh', 'sentence')[0] ?? '', /^健康助手 \(ai\)可以/);
    assert.equal(stateOf(found), 'in-force');
    const { json } = await hub.send('GET', 'Consent?patient=p', patient);
    assert.equal(json['total'], 0);
  });

  it('neither display, narrative nor another’s word for an organization is part of what is said', async () => {
    const consent = givenConsent('p', 'Organization/payer', {
      code: [{ coding: [{ system: 'http://loinc.org', code: '2345-7', display: 'WEATHER' }], text: 'WEATHER' }],
    });
    const actor = (consent['provision'] as { actor: { reference: { display?: string } }[] }).actor[0];
    if (actor !== undefined) actor.reference.display = 'WEATHER';
    const body = {
      ...consent,
      text: { status: 'additional', div: '<div xmlns="http://www.w3.org/1999/xhtml">WEATHER</div>' },
    };
    const { text } = await hub.send('POST', 'Consent/$explain?language=en', patient, { body });
    assert.match(text, /"payer may see .* LOINC 2345-7;/);
    assert.doesNotMatch(text, /WEATHER|Your hospital/);
  });

  it('in the language that is asked for: the parameter before the header', async () => {
    const send = (query: string, header: string): Promise<HubResponse> =>
      hub.send('POST', `Consent/$explain${query}`, patient, {
        body: givenConsent('p', 'Organization/ai'),
        headers: { 'accept-language': header },
      });
    assert.deepEqual(languagesOf(await send('', 'de-CH, en;q=0.8')), ['de']);
    assert.deepEqual(languagesOf(await send('?language=zh', 'de')), ['zh']);
    assert.equal((await send('?language=fr', 'de')).status, 400);
    assert.equal((await send('?timezone=Mars/Olympus', 'de')).status, 400);
  });

  it('a stored one: what it allows now, and when it has ended that it allows nothing', async () => {
    const body = { ...givenConsent('p', 'Organization/ai'), id: 'c1' };
    assert.equal((await hub.send('PUT', 'Consent/c1', patient, { body })).status, 201);
    const stored = await hub.send('GET', 'Consent/c1/$explain?language=en', patient);
    assert.equal(stored.status, 200);
    assert.match(textOf(stored, 'en', 'sentence')[0] ?? '', /^Health helper \(ai\) may see/);
    await hub.send('PUT', 'Consent/c1', patient, { body: { ...body, status: 'inactive' } });
    const ended = await hub.send('GET', 'Consent/c1/$explain?language=en', patient);
    assert.equal(stateOf(ended), 'inactive');
    assert.deepEqual(textOf(ended, 'en', 'state'), ['This is not in force and allows nothing.']);
    assert.deepEqual(textOf(ended, 'en', 'sentence'), []);
    assert.doesNotMatch(ended.text, /"rule"/);
  });

  it('LEAKS 20, 21: another’s Consent is answered like one that never was', async () => {
    for (const token of [other, ai]) {
      const [hidden, unknown] = await Promise.all(
        ['c1', 'none'].map((id) => hub.send('GET', `Consent/${id}/$explain`, token)),
      );
      assert.equal(hidden?.status, 404);
      assert.equal(hidden?.text, unknown?.text);
    }
  });

  it('what cannot be enforced is refused as a write of it would be', async () => {
    const body = givenConsent('p', 'Organization/ai', { extension: [{ url: 'urn:x' }] });
    const refused = await hub.send('POST', 'Consent/$explain', patient, { body });
    assert.equal(refused.status, 422);
    assert.match(refused.text, /Consent\.provision\.extension/);
  });

  it('a service has explained what it would ask for itself, and learns no names of others', async () => {
    const ask = (recipient: string): Promise<HubResponse> =>
      hub.send('POST', 'Consent/$explain', ai, { body: givenConsent('p', recipient) });
    assert.equal((await ask('Organization/ai')).status, 200);
    assert.equal((await ask('Organization/payer')).status, 403);
  });

  it('without a Consent, or a token: refused', async () => {
    assert.equal((await hub.send('GET', 'Consent/$explain', patient)).status, 400);
    assert.equal(
      (await hub.send('POST', 'Consent/$explain', undefined, { body: givenConsent('p', 'Organization/ai') })).status,
      401,
    );
  });
});
