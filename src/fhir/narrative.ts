/**
 * Narrative is XHTML that a browser will show to a person: markup that acts (scripts, forms, event handlers, frames,
 * executable links) or that is not well formed is refused, by a list of what is allowed.
 *
 * @see https://hl7.org/fhir/R4/narrative.html#xhtml
 */

/** FHIR R4 narrative.html#xhtml: HTML 4.0 chapters 7-11 and 15, `a`, images. */
const elements = new Set(
  (
    'a abbr acronym address b big blockquote br caption center cite code col colgroup dd del dfn div dl dt em font h1 h2 h3 ' +
    'h4 h5 h6 hr i img ins kbd li ol p pre q s samp small span strike strong sub sup table tbody td tfoot th thead tr tt u ul var'
  ).split(' '),
);

const attributes = new Set(
  (
    'abbr accesskey align alt axis bgcolor border cellpadding cellspacing char charoff cite class color colspan compact ' +
    'datetime dir face frame headers height href hspace id lang longdesc name noshade nowrap rel rev rowspan rules scope size ' +
    'span src start style summary tabindex target title type valign value vspace width xml:lang xml:space xmlns'
  ).split(' '),
);

const namespace = 'http://www.w3.org/1999/xhtml';
const tagPattern = /<(\/?)([A-Za-z][\w.-]*)((?:\s+[A-Za-z_][\w:.-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y;
const attributePattern = /([A-Za-z_][\w:.-]*)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

/** Deeper than any document's layout; a bound for those who render it. */
const depthMax = 128;

/** XML 1.0 section 4.1: a reference is one of the five entities of XML, or the number of a character; an ampersand is nothing else. */
const referencePattern = /&(?:(?:amp|lt|gt|quot|apos);|#(\d{1,7});|#x([0-9A-Fa-f]{1,6});)?/g;

function referenceProblem(text: string): string | undefined {
  if (!text.includes('&')) return undefined;
  for (const [reference, decimal, hex] of text.matchAll(referencePattern)) {
    if (reference === '&') return 'an & that begins no reference of XML: write &amp;, and &#160; for &nbsp;';
    const code = decimal === undefined ? (hex === undefined ? undefined : Number.parseInt(hex, 16)) : Number(decimal);
    if (code !== undefined && (code > 0x10ffff || notXml.test(String.fromCodePoint(code))))
      return 'a reference to what is no character of XML';
  }
  return undefined;
}

/** XML 1.0 section 2.2: control characters, halves of surrogate pairs, and two that are no characters. */
// oxlint-disable-next-line no-control-regex -- those characters are the rule
const notXml = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/u;

/**
 * A narrative as browsers read it, for those who send no XML: an ampersand that begins no reference is one, and `&nbsp;` is the blank that it
 * means. Other names of HTML are shown as they were written.
 */
export function mendReferences(div: string): string {
  return div.replace(/&(?!(?:amp|lt|gt|quot|apos);|#\d+;|#x[0-9A-Fa-f]+;)(nbsp;)?/g, (_all, blank?: string) =>
    blank === undefined ? '&amp;' : '&#160;',
  );
}

/** Why a `div` is no acceptable narrative; undefined when it is. Linear in its length. */
export function narrativeProblem(div: string): string | undefined {
  const open: string[] = [];
  let hasContent = false;
  let isClosed = false;
  let at = 0;
  if (notXml.test(div)) return 'a character that XML does not have';
  while (at < div.length) {
    if (div.startsWith('<!--', at)) {
      const close = div.indexOf('--', at + 4);
      if (close < 0) return 'a comment is not closed';
      // XML 1.0 section 2.5.
      if (div[close + 2] !== '>') return 'a comment holds no two hyphens';
      at = close + 3;
    } else if (div[at] === '<') {
      if (isClosed) return 'a narrative is one div';
      tagPattern.lastIndex = at;
      const tag = tagPattern.exec(div);
      if (tag === null) return 'not well-formed XHTML';
      const problem = checkTag(tag, open);
      if (problem !== undefined) return problem;
      hasContent ||= tag[2] === 'img';
      isClosed = open.length === 0;
      at = tagPattern.lastIndex;
    } else {
      const next = div.indexOf('<', at);
      const text = div.slice(at, next < 0 ? div.length : next);
      const problem = referenceProblem(text);
      if (problem !== undefined) return problem;
      // XML 1.0 section 2.4.
      if (text.includes(']]>')) return 'text holds no ]]>: write ]]&gt;';
      const isText = text.trim() !== '';
      if (isText && open.length === 0) return 'a narrative is one div';
      hasContent ||= isText;
      at = next < 0 ? div.length : next;
    }
  }
  if (open.length > 0 || !isClosed) return 'an element is not closed';
  // FHIR R4 narrative txt-2.
  return hasContent ? undefined : 'a narrative holds some text or an image';
}

function checkTag(tag: RegExpExecArray, open: string[]): string | undefined {
  const [, slash, name, attributeText, selfClosing] = tag as unknown as [string, string, string, string, string];
  if (slash === '/') return open.pop() === name && attributeText === '' ? undefined : 'elements do not nest';
  if (!elements.has(name)) return 'an element that a narrative may not hold';
  if (open.length === 0 && name !== 'div') return 'a narrative is one div';
  if (open.length >= depthMax) return 'elements nest too deep';
  const named = new Set<string>();
  for (const [, attribute, double, single] of attributeText.matchAll(attributePattern)) {
    const value = double ?? single ?? '';
    if (named.has(attribute as string)) return 'an attribute that stands twice';
    named.add(attribute as string);
    const problem = referenceProblem(value) ?? attributeProblem(attribute as string, value);
    if (problem !== undefined) return problem;
  }
  if (selfClosing !== '/') open.push(name);
  return undefined;
}

function attributeProblem(name: string, value: string): string | undefined {
  if (!attributes.has(name)) return 'an attribute that a narrative may not hold';
  if (name === 'xmlns' && value !== namespace) return `the namespace is ${namespace}`;
  if (/^(href|src|cite|longdesc)$/.test(name) && !isPassiveUrl(value)) return 'a link that a narrative may not hold';
  // Style may not fetch or act; an escape or a character reference could hide either.
  if (name === 'style' && /url\s*\(|expression|import|behaviou?r|binding|\\|&#/i.test(value))
    return 'a style that fetches or acts';
  return undefined;
}

/** http, https, mailto, tel, images as data, fragments and relative addresses. A scheme written with character references is refused. */
function isPassiveUrl(value: string): boolean {
  const url = value.trim();
  const head = /^[^/?#]*/.exec(url)?.[0] ?? '';
  // oxlint-disable-next-line no-control-regex -- browsers skip control characters inside a scheme
  if (/[&\u0000-\u0020]/.test(head.slice(0, head.indexOf(':') + 1 || head.length))) return false;
  return !head.includes(':') || /^(https?|mailto|tel|urn):/i.test(url) || /^data:image\/(png|jpeg|gif);/i.test(url);
}
