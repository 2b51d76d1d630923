/** What a Consent allows, in words. Whole sentences, so that a change of one is seen as a reader would see it. */
import assert from 'node:assert/strict';
import { categories } from '../../../src/access/consent/categories.ts';
import { compileRules } from '../../../src/access/consent/rules.ts';
import { sentencesOf, stateOf } from '../../../src/access/consent/say.ts';
import { acceptedLanguage, languages, words, type Language } from '../../../src/access/consent/words/index.ts';
import { neverByConsent } from '../../../src/access/predicate/minimum.ts';
import { purposeCodes } from '../../../src/access/principal/purpose.ts';
import { patientCompartment } from '../../../src/fhir/definitions.ts';
import { labelCodings } from '../../../src/fhir/labels.ts';
import { categories as offered } from '../../../portal/services.js';
import { classes, custodian, givenConsent, permitTo, purposes, recipient } from '../world.ts';

const now = Date.UTC(2026, 5, 1);
const names: Readonly<Record<string, string>> = {
  'Organization/ai': 'AI health manager',
  'Organization/b': 'Clinic North',
};
const label = (code: string): object => ({ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code });
const normal = { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'N' };
const sugar = { coding: [{ system: 'http://loinc.org', code: '2345-7', display: 'The weather' }] };

function said(provision: object, language: Language, timeZone = 'UTC'): string[] {
  const rules = compileRules(givenConsent(JSON.parse(JSON.stringify(provision)) as object));
  return sentencesOf(rules, {
    language,
    timeZone,
    now,
    nameOf: (reference) => names[reference] ?? reference,
    conceptOf: ({ code = '' }) => code,
  }).map(({ text }) => text);
}

const rows: readonly [string, object, Readonly<Record<Language, readonly string[]>>][] = [
  [
    'one recipient, one purpose, everything',
    permitTo(),
    {
      en: [
        'AI health manager may see for your care and health advice, until you stop it: all your records; nothing that is specially protected.',
      ],
      zh: ['AI health manager可以为诊疗与健康建议查看（直到您停止）：您的全部记录；不含受特别保护的记录。'],
      de: [
        'AI health manager darf für Ihre Behandlung und Gesundheitsberatung sehen, bis Sie es beenden: alle Ihre Daten; nichts besonders Geschütztes.',
      ],
    },
  ],
  [
    'kinds of records of some years, until a day',
    permitTo({
      class: classes('Condition', 'Observation', 'DiagnosticReport', 'ServiceRequest', 'Specimen', 'CarePlan'),
      dataPeriod: { start: '2020', end: '2024' },
      period: { start: '2026-01-01', end: '2026-12-31' },
    }),
    {
      en: [
        'AI health manager may see for your care and health advice, until 31 December 2026: Laboratory results, Diagnoses and Care plans; only dated from 1 January 2020 to 31 December 2024; nothing that is specially protected.',
      ],
      zh: [
        'AI health manager可以为诊疗与健康建议查看（有效期至 2026年12月31日）：检验结果、诊断和诊疗计划；仅限日期自 2020年1月1日 至 2024年12月31日 的记录；不含受特别保护的记录。',
      ],
      de: [
        'AI health manager darf für Ihre Behandlung und Gesundheitsberatung sehen, bis 31. Dezember 2026: Laborwerte, Diagnosen und Behandlungspläne; nur mit Datum ab 1. Januar 2020 bis 31. Dezember 2024; nichts besonders Geschütztes.',
      ],
    },
  ],
  [
    'two recipients, labels, an exception',
    permitTo({
      actor: [recipient(), recipient('Organization/b')],
      securityLabel: [normal, label('PSY'), label('HIV')],
      provision: [{ type: 'deny', actor: [recipient('Organization/b')], securityLabel: [label('HIV')] }],
    }),
    {
      en: [
        'AI health manager and Clinic North may see for your care and health advice, until you stop it: all your records; also what is specially protected (HIV and AIDS or psychiatry), nothing that is protected otherwise.',
        'Whatever else you allow, Clinic North may not see for your care and health advice and an emergency: all your records; only what is specially protected (HIV and AIDS).',
      ],
      zh: [
        'AI health manager和Clinic North可以为诊疗与健康建议查看（直到您停止）：您的全部记录；也包括受特别保护的记录（艾滋病或精神科），不含其他受保护的记录。',
        '无论您另外授权了什么，Clinic North都不可以为诊疗与健康建议和紧急救治查看：您的全部记录；仅限受特别保护的记录（艾滋病）。',
      ],
      de: [
        'AI health manager und Clinic North dürfen für Ihre Behandlung und Gesundheitsberatung sehen, bis Sie es beenden: alle Ihre Daten; auch besonders Geschütztes (HIV und Aids oder Psychiatrie), nichts anderes Geschütztes.',
        'Was immer Sie sonst erlauben, darf Clinic North für Ihre Behandlung und Gesundheitsberatung und einen Notfall nicht sehen: alle Ihre Daten; nur besonders Geschütztes (HIV und Aids).',
      ],
    },
  ],
  [
    'payment, named records of one source',
    permitTo({ purpose: purposes('HPAYMT'), actor: [recipient(), custodian('Organization/b')] }),
    {
      en: [
        'AI health manager may see for paying for your care, until you stop it: Insurance and bills, Who you are (name, birth date, contact), Accounts, Enquiries about insurance cover, Answers about insurance cover, Applications for insurance, Answers to applications for insurance, Notices of payment and Payments; only what was written by Clinic North; nothing that is specially protected.',
        'For payment it is never more than insurance and bills, and your name, birth date, sex and numbers.',
      ],
      zh: [
        'AI health manager可以为费用结算查看（直到您停止）：保险与账单、您的身份（姓名、出生日期、联系方式）、账户、参保资格查询、参保资格答复、参保申请、参保申请答复、付款通知和付款对账；仅限由 Clinic North 写入的记录；不含受特别保护的记录。',
        '用于费用结算时，最多只显示保险与账单，以及您的姓名、出生日期、性别和证件号码。',
      ],
      de: [
        'AI health manager darf für die Abrechnung Ihrer Behandlung sehen, bis Sie es beenden: Versicherung und Rechnungen, Wer Sie sind (Name, Geburtsdatum, Kontakt), Konten, Anfragen zum Versicherungsschutz, Auskünfte zum Versicherungsschutz, Anträge auf Versicherung, Antworten auf Anträge auf Versicherung, Zahlungsmitteilungen und Zahlungsabgleiche; nur, was Clinic North geschrieben hat; nichts besonders Geschütztes.',
        'Für die Abrechnung sind es nie mehr als Versicherung und Rechnungen und Ihr Name, Geburtsdatum, Geschlecht und Ihre Nummern.',
      ],
    },
  ],
  [
    'codes, only labelled, later',
    permitTo({ code: [sugar], securityLabel: [label('SDV')], period: { start: '2027-03-01' } }),
    {
      en: [
        'AI health manager may see for your care and health advice, from 1 March 2027 until you stop it: all your records; only what is about 2345-7; only what is specially protected (sexual and domestic violence).',
      ],
      zh: [
        'AI health manager可以为诊疗与健康建议查看（自 2027年3月1日 起，直到您停止）：您的全部记录；仅限关于 2345-7 的记录；仅限受特别保护的记录（性暴力与家庭暴力）。',
      ],
      de: [
        'AI health manager darf für Ihre Behandlung und Gesundheitsberatung sehen, ab 1. März 2027, bis Sie es beenden: alle Ihre Daten; nur, worin es um 2345-7 geht; nur besonders Geschütztes (sexuelle und häusliche Gewalt).',
      ],
    },
  ],
  [
    'a deny for everybody',
    { type: 'deny', class: classes('Condition'), purpose: purposes('HRESCH'), period: { end: '2026-12-31' } },
    {
      en: [
        'Whatever else you allow, nobody but you, those who act for you and those who wrote it may see for research and clinical trials, until 31 December 2026: Diagnoses.',
      ],
      zh: [
        '无论您另外授权了什么，除您本人、您的代理人和写入者外，任何人都不可以为科学研究和临床试验查看（有效期至 2026年12月31日）：诊断。',
      ],
      de: [
        'Was immer Sie sonst erlauben, darf niemand außer Ihnen und denen, die für Sie handeln oder es geschrieben haben, für Forschung und klinische Studien sehen, bis 31. Dezember 2026: Diagnosen.',
      ],
    },
  ],
  [
    'nothing that a Consent opens',
    permitTo({ class: classes('Provenance') }),
    {
      en: [
        'AI health manager may see for your care and health advice, until you stop it: no records, because what is named is never shown by a permission.',
      ],
      zh: ['AI health manager可以为诊疗与健康建议查看（直到您停止）：无，因为所列类别从不凭授权显示。'],
      de: [
        'AI health manager darf für Ihre Behandlung und Gesundheitsberatung sehen, bis Sie es beenden: keine Daten, denn was genannt ist, wird durch eine Erlaubnis nie gezeigt.',
      ],
    },
  ],
  [
    'single records',
    permitTo({ data: [{ meaning: 'instance', reference: { reference: 'Condition/x' } }] }),
    {
      en: [
        'AI health manager may see for your care and health advice, until you stop it: one single record that is named; nothing that is specially protected.',
      ],
      zh: ['AI health manager可以为诊疗与健康建议查看（直到您停止）：指定的 1 条记录；不含受特别保护的记录。'],
      de: [
        'AI health manager darf für Ihre Behandlung und Gesundheitsberatung sehen, bis Sie es beenden: einen einzelnen, genannten Eintrag; nichts besonders Geschütztes.',
      ],
    },
  ],
];

describe('a Consent in words', () => {
  for (const [title, provision, expected] of rows) {
    for (const language of languages) {
      it(`${language}: ${title}`, () => assert.deepEqual(said(provision, language), expected[language]));
    }
  }

  it('a day is one of the reader’s own zone; a time within it is told with the zone', () => {
    const until = (end: string, timeZone: string): string =>
      /until (.*):/.exec(said(permitTo({ period: { end } }), 'en', timeZone)[0] ?? '')?.[1] ?? '';
    assert.equal(until('2026-12-31T23:59:59+08:00', 'Asia/Shanghai'), '31 December 2026');
    assert.equal(until('2026-12-31', 'UTC'), '31 December 2026');
    assert.equal(until('2026-12-31T12:00:00Z', 'UTC'), '31 December 2026 at 12:00:01 UTC');
  });

  it('what is over is not said', () => {
    const both = {
      type: 'deny',
      provision: [permitTo({ period: { end: '2026-05-31' } }), permitTo({ class: classes('Flag') })],
    };
    const sentences = said(both, 'en');
    assert.equal(sentences.length, 1);
    assert.match(sentences[0] ?? '', /: Alerts;/);
  });

  const states: readonly [string, object, string][] = [
    ['active', {}, 'in-force'],
    ['active', { period: { start: '2027' } }, 'later'],
    ['active', { period: { end: '2026-05-31' } }, 'over'],
    ['proposed', {}, 'proposed'],
    ['draft', {}, 'proposed'],
    ['inactive', {}, 'inactive'],
    ['rejected', {}, 'inactive'],
  ];
  for (const [status, rule, expected] of states) {
    it(`${status}, ${JSON.stringify(rule)}: ${expected}`, () => {
      assert.equal(stateOf(status, compileRules(givenConsent(permitTo(rule))), now), expected);
    });
  }
});

describe('the words of each language', () => {
  for (const language of languages) {
    const { purposes: why, labels, types, categories: kinds } = words[language];
    it(`${language}: every purpose, every label, every category, every type of a patient’s that a Consent opens`, () => {
      const codes = labelCodings(2 ** 30 - 1).map(({ code }) => code);
      const opened = Object.keys(patientCompartment()).filter((type) => !neverByConsent.includes(type));
      assert.deepEqual(
        [
          purposeCodes.filter((code) => why[code] === undefined),
          codes.filter((code) => labels[code] === undefined),
          Object.keys(categories).filter((key) => kinds[key] === undefined),
          opened.filter((type) => types[type] === undefined),
        ],
        [[], [], [], []],
      );
    });
  }

  it('the portal offers the same categories', () => {
    assert.deepEqual(Object.fromEntries(offered.map(({ key, types }) => [key, types])), categories);
  });

  const accepted: readonly [string, Language | undefined][] = [
    ['de-AT,en;q=0.5', 'de'],
    ['fr, zh-Hans-CN;q=0.8, en;q=0.9', 'en'],
    ['en;q=0, zh', 'zh'],
    ['fr', undefined],
    ['*', undefined],
    ['', undefined],
  ];
  for (const [header, expected] of accepted) {
    it(`Accept-Language: ${header}`, () => assert.equal(acceptedLanguage(header), expected));
  }
});
