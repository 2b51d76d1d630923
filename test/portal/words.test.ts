import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { actTexts } from '../../portal/act-texts.js';
import { numberText, parseJson } from '../../portal/json.js';
import { alertTexts } from '../../portal/alert-texts.js';
import { consoleTexts } from '../../portal/console-texts.js';
import { ownTexts } from '../../portal/own-texts.js';
import {
  choicesOf,
  ended,
  fromConsent,
  granted,
  isInForce,
  localDay,
  reasonText,
  toConsent,
} from '../../portal/permission.js';
import { chooseLanguage, fill, texts } from '../../portal/texts.js';
import { kinds } from '../../portal/views/console-alerts.js';
import { oneEachRequest, readAccess } from '../../portal/views/access.js';
import type { Resource } from '../../portal/fhir.js';
import {
  actText,
  conceptText,
  interpretationText,
  nameText,
  rangeText,
  timeText,
  valueText,
} from '../../portal/words.js';
import { kindOf, knownInteractions } from '../../src/access/audit/kinds.ts';
import { compileRules, rulesOf } from '../../src/access/consent/rules.ts';
import { isWithin } from '../../src/access/consent/within.ts';
import { purposeBit } from '../../src/access/principal/purpose.ts';
import { typeCode } from '../../src/fhir/types.ts';
import { alertKinds } from '../../src/watch/alerts/condition.ts';

const now = new Date('2026-03-01T09:00:00Z');
const permission = {
  reference: 'Organization/ai-health-manager',
  name: 'AI health manager',
  purpose: 'TREAT',
  categories: ['results', 'visits'],
  until: '2026-06-30',
};

describe('portal: a request as the Consent that grants it', () => {
  const extension = [
    {
      url: 'https://health-record-hub.example/fhir/StructureDefinition/consent-request-reason',
      valueString: 'Why',
      _valueString: {
        extension: [
          {
            url: 'http://hl7.org/fhir/StructureDefinition/translation',
            extension: [
              { url: 'lang', valueCode: 'zh-CN' },
              { url: 'content', valueString: '为什么' },
            ],
          },
        ],
      },
    },
  ];
  const { performer: _performer, ...asked } = toConsent(permission, { patient: 'Patient/p1', now });
  const request: Resource = {
    ...asked,
    resourceType: 'Consent',
    id: 'r',
    meta: { lastUpdated: now.toISOString() },
    status: 'proposed',
    extension,
  };
  const all = choicesOf(request).flatMap(({ types }) => types);

  it('offers the categories that are asked for as a whole, and other types by themselves', () => {
    assert.deepEqual(
      choicesOf(request).map(({ key }) => key),
      ['results', 'visits'],
    );
    const types = [{ system: 'http://hl7.org/fhir/resource-types', code: 'Observation' }];
    assert.deepEqual(choicesOf({ ...request, provision: { ...request['provision'], class: types } }), [
      { types: ['Observation'] },
    ]);
  });

  it('as it is asked: what the hub holds to be no more than the request, naming it and who grants', () => {
    const consent = granted(request, { by: 'Patient/p1', name: 'AI', now, types: all, until: permission.until });
    assert.deepEqual(
      [consent['sourceReference'], consent['performer'], consent['status'], consent.id],
      [{ reference: 'Consent/r' }, [{ reference: 'Patient/p1' }], 'active', undefined],
    );
    assert.ok(isWithin(compileRules(consent), rulesOf(request)));
    assert.ok(isWithin(rulesOf(request), compileRules(consent)));
  });

  it('the recipient has the name the hub knows, whatever the request calls it; nobody else is called so', () => {
    const hospital = {
      role: { coding: [{ code: 'CST' }] },
      reference: { reference: 'Organization/h', display: 'Your bank' },
    };
    const provision = { ...request['provision'], actor: [...request['provision'].actor, hospital] };
    const consent = granted({ ...request, provision }, { by: 'Patient/p1', name: 'As known', now, types: all });
    const actors = consent['provision'].actor as { reference: object }[];
    assert.deepEqual(
      actors.map(({ reference }) => reference),
      [{ reference: permission.reference, display: 'As known' }, { reference: 'Organization/h' }],
    );
  });

  it('narrower: fewer kinds, and sooner over', () => {
    const consent = granted(request, { by: 'Patient/p1', name: 'AI', now, types: ['Encounter'], until: '2026-04-01' });
    const { categories, until } = fromConsent(consent);
    assert.deepEqual([categories, until], [['visits'], '2026-04-01']);
    assert.ok(isWithin(compileRules(consent), rulesOf(request)));
    assert.equal(isWithin(rulesOf(request), compileRules(consent)), false);
  });

  it('why is asked, in the language of the reader or as it was written', () => {
    assert.deepEqual(
      [reasonText(request, 'zh'), reasonText(request, 'de'), reasonText({ ...request, extension: [] }, 'en')],
      ['为什么', 'Why', undefined],
    );
  });
});

describe('portal: a permission as Consent', () => {
  const consent = toConsent(permission, { patient: 'Patient/p1', now });

  it('compiles to the one rule it says, by the hub itself', () => {
    const [rule, ...rest] = compileRules(consent);
    assert.equal(rest.length, 0);
    assert.equal(rule?.isDeny, false);
    assert.equal(rule?.recipient, 'Organization/ai-health-manager');
    assert.equal(rule?.purposes, purposeBit('TREAT'));
    const types = ['Observation', 'DiagnosticReport', 'ServiceRequest', 'Specimen', 'Encounter'];
    assert.deepEqual(new Set(rule?.types), new Set(types.map((type) => typeCode(type))));
    assert.equal(rule?.valid.from, now.getTime());
  });

  it('ends with the last second of the chosen day, in the zone of the person who chose it', () => {
    const end = new Date(String(consent['provision'].period.end));
    assert.equal(localDay(end), '2026-06-30');
    assert.equal(localDay(new Date(end.getTime() + 1000)), '2026-07-01');
  });

  it('names who consents: the patient, or whoever acts for them', () => {
    const by = 'RelatedPerson/mother';
    assert.deepEqual(consent['performer'], [{ reference: 'Patient/p1' }]);
    assert.deepEqual(toConsent(permission, { patient: 'Patient/p1', by, now })['performer'], [{ reference: by }]);
    assert.deepEqual(ended(consent, by)['performer'], [{ reference: by }]);
  });

  it('reads back as what was chosen', () => {
    const { reference, name, purpose, categories, until, isSimple } = fromConsent(consent);
    assert.deepEqual({ reference, name, purpose, categories, until }, permission);
    assert.equal(isSimple, true);
  });

  it('given a period of the records, when read back, then it is the same days', () => {
    const period = { from: '2025-01-01', to: '2025-12-31' };
    assert.deepEqual(fromConsent(toConsent({ ...permission, period }, { patient: 'Patient/p1', now })).period, period);
  });

  it('narrowed, it keeps its id and the version it was made from', () => {
    const previous = { ...consent, id: 'c1', meta: { versionId: '3' } };
    const narrowed = toConsent({ ...permission, categories: ['results'] }, { patient: 'Patient/p1', now, previous });
    assert.equal(narrowed.id, 'c1');
    assert.equal(narrowed['meta'].versionId, '3');
    assert.deepEqual(fromConsent(narrowed).categories, ['results']);
  });

  it('stopped, it has no rule left', () => {
    assert.deepEqual(compileRules(ended(consent, 'Patient/p1')), []);
    assert.equal(isInForce(ended(consent, 'Patient/p1'), now), false);
  });

  const notSimple: [string, object][] = [
    ['a deny', { type: 'deny' }],
    ['nested rules', { provision: [{ type: 'deny' }] }],
    ['single codes', { code: [{ text: 'HIV' }] }],
    ['a type that is part of a category only', { class: [{ code: 'Observation' }] }],
    ['a type of no category', { class: [{ code: 'ImagingStudy' }] }],
    ['several recipients', { actor: [{ reference: {} }, { reference: {} }] }],
  ];
  for (const [what, change] of notSimple) {
    it(`given ${what}, then the form does not offer to change it`, () => {
      const other = { ...consent, provision: { ...consent['provision'], ...change } };
      assert.equal(fromConsent(other).isSimple, false);
    });
  }

  it('is not in force after its end, whatever its status says', () => {
    assert.equal(isInForce(consent, new Date('2026-06-29T00:00:00Z')), true);
    assert.equal(isInForce(consent, new Date('2026-07-02T00:00:00Z')), false);
  });
});

describe('portal: FHIR in plain words', () => {
  const t = texts.en;
  const rows: [string, string | undefined, string | undefined][] = [
    ['a Chinese name', nameText({ resourceType: '', family: '顾', given: ['昞珅'] }), '顾昞珅'],
    ['a western name', nameText({ resourceType: '', family: 'Birkenhöfer', given: ['Käthe'] }), 'Käthe Birkenhöfer'],
    ['the text of a concept', conceptText({ resourceType: '', text: 'A', coding: [{ display: 'B' }] }), 'A'],
    ['its first display', conceptText({ resourceType: '', coding: [{ code: '1' }, { display: 'B' }] }), 'B'],
    ['its code', conceptText({ resourceType: '', coding: [{ code: '1' }] }), '1'],
    ['a quantity', valueText(parseJson('{"valueQuantity":{"value":1.50,"unit":"mmol/L"}}')), '1.50 mmol/L'],
    ['a comparator', valueText(parseJson('{"valueQuantity":{"comparator":"<","value":5}}')), '<5'],
    ['a text', valueText({ resourceType: 'Observation', valueString: 'clear' }), 'clear'],
    ['a code', valueText({ resourceType: 'Observation', valueCodeableConcept: { text: 'A positive' } }), 'A positive'],
    ['false', valueText({ resourceType: 'Observation', valueBoolean: false }), 'false'],
    ['no value', valueText({ resourceType: 'Observation' }), ''],
    [
      'a range',
      rangeText(parseJson('{"referenceRange":[{"low":{"value":1.0},"high":{"value":2.10,"unit":"g"}}]}')),
      '1.0 – 2.10 g',
    ],
    ['a range with one end', rangeText(parseJson('{"referenceRange":[{"high":{"value":8}}]}')), '≤ 8'],
    ['high', interpretationText({ resourceType: '', interpretation: [{ coding: [{ code: 'H' }] }] }, t), 'high'],
    ['normal', interpretationText({ resourceType: '', interpretation: [{ coding: [{ code: 'N' }] }] }, t), undefined],
    ['a date', timeText('1958-03-14', 'en', t), 'Mar 14, 1958'],
    ['a year', timeText('1958', 'en', t), '1958'],
    ['no time', timeText(undefined, 'en', t), 'no date'],
  ];
  for (const [what, found, expected] of rows) it(`${what} is ${expected}`, () => assert.equal(found, expected));

  it('numbers keep the digits they were sent with', () => {
    assert.equal(numberText(parseJson('[0.10]')[0]), '0.10');
    assert.equal(JSON.stringify(parseJson('{"a":1.0}')), '{"a":1.0}');
  });
});

describe('portal: an AuditEvent in plain words', () => {
  const event = {
    resourceType: 'AuditEvent',
    type: { code: 'rest' },
    action: 'E',
    outcome: '0',
    outcomeDesc: '4 records (search-type), allowed by consent:c1/2',
    purposeOfEvent: [{ coding: [{ code: 'TREAT' }] }],
    agent: [
      { who: { display: 'Health record hub' }, requestor: false },
      { who: { identifier: { value: 'ai' }, display: 'ai' }, requestor: false },
      { who: { identifier: { value: 'subject' } }, requestor: true },
      { who: { reference: 'Organization/ai-health-manager' }, requestor: false },
    ],
    entity: [
      { what: { reference: 'Patient/p1' }, role: { code: '1' } },
      { description: 'Observation?code', query: 'T2JzZXJ2YXRpb24/Y29kZQ==', role: { code: '24' } },
      { what: { reference: 'Consent/c1/_history/2' }, type: { code: 'Consent' }, role: { code: '4' } },
    ],
  };

  const asEvent = (interaction: string) => {
    const { type, subtype } = kindOf(interaction);
    return { type, subtype };
  };

  it('says who, why, what and by which consent', () => {
    const access = readAccess(event, 'Patient/p1');
    assert.equal(access.who, 'Organization/ai-health-manager');
    assert.equal(access.purpose, 'TREAT');
    assert.equal(access.type, 'Observation');
    assert.equal(access.action, 'search');
    assert.equal(access.consent, 'Consent/c1');
    assert.equal(access.isAllowed, true);
    assert.equal(access.isSelf, false);
  });

  it('given what was done beside the record, then it has a name of its own, and is no search of everything', () => {
    const failed = { ...event, ...asEvent('login-failed'), outcome: '4', entity: event.entity.slice(0, 1) };
    const { act } = readAccess(failed, 'Patient/p1');
    assert.equal(act, 'login-failed');
    assert.equal(actText('login-failed', 'en'), 'Tried to sign in as you');
    assert.equal(readAccess({ ...event, ...asEvent('search-type') }, 'Patient/p1').act, undefined);
    assert.equal(actText('proxy-confirm', 'en'), 'Used the hub');
  });

  it('each of them that a log of a patient has is named in each language', () => {
    const ofNoPatient = ['unauthenticated', 'ops-view', 'ops-change', 'audit-export'];
    const named = knownInteractions
      .filter((name) => !ofNoPatient.includes(name))
      .flatMap((name) => readAccess({ ...event, ...asEvent(name) }, 'Patient/p1').act ?? []);
    assert.ok(named.length > 15);
    for (const texts of Object.values(actTexts))
      assert.deepEqual(Object.keys(texts).toSorted(), [...named, 'other'].toSorted());
  });

  it('given a reason in words, then it is told', () => {
    const stated = { ...event, purposeOfEvent: [{ coding: [{ code: 'TREAT' }] }, { text: 'ticket 4711' }] };
    assert.equal(readAccess(stated, 'Patient/p1').stated, 'ticket 4711');
    assert.equal(readAccess(event, 'Patient/p1').stated, undefined);
  });

  it('given outcome 4, then nothing was shown', () => {
    const access = readAccess({ ...event, outcome: '4', entity: event.entity.slice(0, 2) }, 'Patient/p1');
    assert.equal(access.isAllowed, false);
    assert.equal(access.consent, undefined);
  });

  it('given events of one request for several records, then it is one line, shown when any was', () => {
    const request = { type: { code: 'XrequestId' }, what: { identifier: { value: 'r1' } } };
    const events = [
      { ...event, id: '3', entity: [{ ...request, what: { identifier: { value: 'r2' } } }] },
      { ...event, id: '2', outcome: '4', entity: [request] },
      { ...event, id: '1', entity: [request] },
    ];
    const lines = oneEachRequest(events.map((one) => readAccess(one, 'Patient/p1')));
    assert.deepEqual(
      lines.map(({ request: id, isAllowed }) => [id, isAllowed]),
      [
        ['r2', true],
        ['r1', true],
      ],
    );
  });

  it('given the patient as requestor and no organization, then it is their own', () => {
    const own = { ...event, agent: [{ who: { reference: 'Patient/p1' }, requestor: true }] };
    assert.equal(readAccess(own, 'Patient/p1').isSelf, true);
    assert.equal(readAccess(own, 'Patient/p2').isSelf, false);
  });
});

describe('portal: the pages', () => {
  const folder = join(import.meta.dirname, '..', '..', 'portal');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(js|html|css)$/.test(name),
  );

  it('make no markup from text, keep nothing, and take nothing from elsewhere', () => {
    assert.ok(files.length > 10);
    const forbidden =
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|localStorage|sessionStorage|document\.cookie|\son\w+="|style="|(?:src|href)="https?:|url\(/;
    for (const name of files) assert.doesNotMatch(readFileSync(join(folder, name), 'utf8'), forbidden, name);
  });
});

describe('portal: texts', () => {
  it('the console asks for every kind of alert that there is, and has a word for it', () => {
    assert.deepEqual(kinds, alertKinds);
    for (const kind of alertKinds) assert.ok(Object.hasOwn(alertTexts.en, kind), kind);
  });

  for (const [what, all] of [
    ['portal', texts],
    ['console', consoleTexts],
    ['portal, of all of it,', ownTexts],
    ['console, of alerts,', alertTexts],
  ] as const) {
    it(`the ${what} says everything in each language, with the same places to fill`, () => {
      const places = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(String).sort();
      for (const language of ['zh', 'de'] as const) {
        assert.deepEqual(Object.keys(all[language]), Object.keys(all.en));
        for (const [key, text] of Object.entries(all.en)) {
          const translated = (all[language] as Record<string, string>)[key] ?? '';
          assert.notEqual(translated, '', `${language}.${key}`);
          assert.deepEqual(places(translated), places(text), `${language}.${key}`);
        }
      }
    });
  }

  it('takes the first language that it speaks, else English', () => {
    assert.equal(chooseLanguage(['fr', 'zh-Hans-CN', 'de']), 'zh');
    assert.equal(chooseLanguage(['fr']), 'en');
  });

  it('fills what it knows and leaves the rest', () => assert.equal(fill('{a} {b}', { a: 1 }), '1 {b}'));
});
