/** What hospital systems in China put into one component: whole names, hanzi beside pinyin, whole addresses. */
import { localUri, type Extension } from './extensions.ts';
import type { RuleInfo } from '../functions.ts';
import { authoritySystem } from './parties.ts';
import type { Part } from '../message/part.ts';
import type { Element, Run } from '../message/state.ts';

const representationUrl = 'http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation';

/** `林梅`, `林梅 Lin Mei`, `林梅(LIN MEI)`; the dot of names such as 阿依努尔·买买提 belongs to the name. */
const nameInOne = /^([\p{Script=Han}·•]+)(?:[\s/,(（]+([A-Za-z][A-Za-z'’. -]*?)\s*[)）]?)?$/u;
const latin = /^[A-Za-z][A-Za-z'’. -]*$/;

/**
 * XPN whose first component is a whole name in hanzi, with its pinyin behind it or in the second component: a HumanName for
 * each writing, its whole text and which writing it is. Family and given name are not guessed apart. Any other name is
 * read as the base map reads it.
 * @see https://hl7.org/fhir/R4/extension-iso21090-en-representation.html
 */
export function hanziNames(part: Part, run: Run, { position }: RuleInfo): Element[] | undefined {
  const [whole, second] = [part.peek(1).trim(), part.peek(2).trim()];
  const name = run.map.datatypes.get('XPN')?.(part, run, position);
  if (name === undefined) return undefined;
  const [, hanzi, behind] = nameInOne.exec(whole) ?? [];
  const isDivided = second !== '' && (behind !== undefined || !latin.test(second));
  if (hanzi === undefined || isDivided || part.peek(3) !== '') return [name];
  const { family: _family, given: _given, extension, ...rest } = name;
  const others = (extension ?? []) as readonly Extension[];
  const written = (text: string, code: 'IDE' | 'ABC'): Element => ({
    extension: [...others.filter(({ url }) => url !== representationUrl), { url: representationUrl, valueCode: code }],
    ...rest,
    text,
  });
  const pinyin = behind ?? (second === '' ? undefined : second);
  return pinyin === undefined ? [written(hanzi, 'IDE')] : [written(hanzi, 'IDE'), written(pinyin, 'ABC')];
}

// GB/T 2260: the provinces, autonomous regions, municipalities and special administrative regions, as they are written.
const provinces =
  '北京市|天津市|上海市|重庆市|河北省|山西省|辽宁省|吉林省|黑龙江省|江苏省|浙江省|安徽省|福建省|江西省|山东省|河南省|湖北省|湖南省|' +
  '广东省|海南省|四川省|贵州省|云南省|陕西省|甘肃省|青海省|台湾省|内蒙古自治区|广西壮族自治区|西藏自治区|宁夏回族自治区|' +
  '新疆维吾尔自治区|香港特别行政区|澳门特别行政区';
const addressInOne = new RegExp(
  `^(${provinces})(?:(\\p{Script=Han}{1,9}?(?:市|自治州|地区|盟)))?(?:(\\p{Script=Han}{1,9}?(?:区|县|旗|市)))?(.*)$`,
  'u',
);
const municipalities = new Set(['北京市', '天津市', '上海市', '重庆市']);

/**
 * XAD whose first component is the whole address: the text stays whole, and where it begins with a province, province, city
 * and district have their elements too. Any other address is read as the base map reads it.
 */
export function hanziAddress(part: Part, run: Run, { position }: RuleInfo): Element | undefined {
  const whole = part.peek(1).trim();
  const address = run.map.datatypes.get('XAD')?.(part, run, position);
  const isDivided = ['city', 'state', 'district'].some((name) => address?.[name] !== undefined);
  if (address === undefined || isDivided || !/\p{Script=Han}/u.test(whole)) return address;
  const [, state, city, district, street] = addressInOne.exec(whole) ?? [];
  const { line, ...rest } = address;
  if (state === undefined) return { ...rest, text: whole, line };
  const lines = [street?.trim() || undefined, ...(line as string[]).slice(1)].filter((text) => text !== undefined);
  return {
    ...rest,
    text: whole,
    ...(lines.length === 0 ? {} : { line: lines }),
    // A municipality is its own province.
    ...((city ?? municipalities.has(state)) ? { city: city ?? state } : {}),
    ...(district === undefined ? {} : { district }),
    state,
  };
}

/** CX: the system by its assigning authority; without one, by what kind of number the sender says it is. */
export function authorityOrType(part: Part, run: Run): string | undefined {
  const system = authoritySystem(part.child(4), run);
  const type = part.peek(5);
  return system ?? (type === '' ? undefined : localUri(run.context.owner, 'authority', type));
}
