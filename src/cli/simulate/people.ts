/** Invented people. Names are put together from syllables, and no number can belong to anybody (see resident-id.ts). */
import { hashOf, randomOf } from './random.ts';
import { citizenAt } from './resident-id.ts';

export interface Person {
  readonly family: string;
  readonly given: string;
  /** The name in Latin letters: pinyin without tones for a Chinese name, else the name itself. */
  readonly latin: { readonly family: string; readonly given: string };
  readonly sex: 'M' | 'F';
  /** `YYYYMMDD`. */
  readonly birthDate: string;
  /** Resident identity number (GB 11643) of a Chinese citizen. */
  readonly residentId?: string;
  /** Passport number of anybody else. */
  readonly passport?: string;
  readonly insuranceId: string;
  readonly phone: string;
  readonly street: string;
  readonly city: string;
  readonly postalCode: string;
  readonly country: 'CHN' | 'DEU';
  readonly kin: { readonly family: string; readonly given: string; readonly latin: string; readonly phone: string };
}

type Syllable = readonly [hanzi: string, pinyin: string];

function syllables(text: string): readonly Syllable[] {
  return text.split(' ').map((pair) => pair.split(':') as unknown as Syllable);
}

const surnames = syllables(
  '顾:Gu 沈:Shen 陆:Lu 秦:Qin 温:Wen 骆:Luo 祁:Qi 简:Jian 岑:Cen 佟:Tong 郁:Yu 蔺:Lin 司徒:Situ 欧阳:Ouyang 尉迟:Yuchi',
);
// In GB18030 the second byte of 珅峾晐 is `|`, of 昞璡 `\`, of 琟榐昢 `^`, of 珇寏晘 `~`: the delimiters of HL7v2.
const givenSyllables = syllables(
  '珅:shen 峾:yin 晐:gai 昞:bing 璡:jin 琟:wei 榐:zhan 昢:po 珇:zu 寏:huan 晘:han ' +
    '澄:cheng 禾:he 砚:yan 岚:lan 舟:zhou 澜:lan 予:yu 乔:qiao 昀:yun 栖:qi 棠:tang 穗:sui 笙:sheng 屿:yu',
);
const westernFamilies = 'Birkenhöfer Ährenfeld Mühlstädter Grünewälder Ößlinger Søndervang Aubécourt Lindqvåst'.split(
  ' ',
);
const westernGivens = {
  M: 'Jörn Søren Björn Götz Rémy Håkon'.split(' '),
  F: 'Käthe Maïté Élodie Ännchen Åsa Zoë'.split(' '),
};
const cities = ['云栖市', '青禾市', '望川市', '临澜市'];
const streets = ['桂影路', '石桥街', '听雨巷', '晴川大道'];
const westernCities = ['Sonnfeld', 'Altenbrück', 'Grünhöhe'];
const westernStreets = ['Mühlgäßchen', 'Am Lärchenweg', 'Größerer Ring'];
/** Three of four people are Chinese citizens. */
const citizenPercent = 75;

/** Person number `index` of a seed: the same for ever. */
export function personAt(seed: number, index: number): Person {
  const random = randomOf(seed, index, 1);
  const sex = random.chance(50) ? 'F' : 'M';
  return random.chance(citizenPercent) ? chinese(seed, index, sex) : western(seed, index, sex);
}

function chinese(seed: number, index: number, sex: 'M' | 'F'): Person {
  const random = randomOf(seed, index, 2);
  const surname = random.pick(surnames);
  const [first, second, kinGiven] = [
    random.pick(givenSyllables),
    random.pick(givenSyllables),
    random.pick(givenSyllables),
  ];
  const kinSurname = random.pick(surnames);
  const { residentId, birthDate } = citizenAt(hashOf(seed, 3), index, sex);
  return {
    family: surname[0],
    given: first[0] + second[0],
    latin: { family: surname[1], given: capital(first[1]) + second[1] },
    sex,
    birthDate,
    residentId,
    insuranceId: `YB${residentId.slice(0, 2)}${String(index).padStart(8, '0')}`,
    phone: mobile(random.digits(9)),
    street: `${random.pick(streets)}${random.between(1, 399)}号${random.between(1, 30)}室`,
    city: random.pick(cities),
    postalCode: `99${random.digits(4)}`,
    country: 'CHN',
    kin: {
      family: kinSurname[0],
      given: kinGiven[0],
      latin: `${kinSurname[1]}^${capital(kinGiven[1])}`,
      phone: mobile(random.digits(9)),
    },
  };
}

function western(seed: number, index: number, sex: 'M' | 'F'): Person {
  const random = randomOf(seed, index, 2);
  const family = random.pick(westernFamilies);
  const given = random.pick(westernGivens[sex]);
  const kin = random.pick(westernGivens[sex === 'M' ? 'F' : 'M']);
  const birthDate = `${random.between(1940, 2020)}${two(random.between(1, 12))}${two(random.between(1, 28))}`;
  return {
    family,
    given,
    latin: { family, given },
    sex,
    birthDate,
    passport: `X0${String(index).padStart(7, '0')}`,
    insuranceId: `X${String(index).padStart(9, '0')}`,
    phone: fictionalBerlin(random.digits(3)),
    street: `${random.pick(westernStreets)} ${random.between(1, 99)}`,
    city: random.pick(westernCities),
    postalCode: `00${random.digits(3)}`,
    country: 'DEU',
    kin: { family, given: kin, latin: `${family}^${kin}`, phone: fictionalBerlin(random.digits(3)) },
  };
}

/** Chinese mobile numbers start with 13 to 19; 12 was never given out. */
function mobile(digits: string): string {
  return `12${digits}`;
}

/** 030 23125 000 to 999 are kept for film and television by the Bundesnetzagentur. */
function fictionalBerlin(digits: string): string {
  return `+493023125${digits}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
