import assert from 'node:assert/strict';
import fc from 'fast-check';
import { SaxesParser } from 'saxes';
import { mendReferences, narrativeProblem } from '../../src/fhir/narrative.ts';
import { processorMs } from '../processor-time.ts';

const div = (inside: string, attributes = ''): string =>
  `<div xmlns="http://www.w3.org/1999/xhtml"${attributes}>${inside}</div>`;

/** What an XML parser has against it. */
function xmlProblem(text: string): string | undefined {
  let found: string | undefined;
  const parser = new SaxesParser({ xmlns: true });
  parser.on('error', ({ message }) => (found ??= message));
  parser.write(text).close();
  return found;
}

describe('narrative (R4 narrative.html#xhtml)', () => {
  const allowed: [string, string][] = [
    ['text', div('Blood pressure 107/60')],
    [
      'tables, lists, emphasis',
      div('<table border="1"><tr><td colspan="2">a</td></tr></table><ul><li><b>b</b></li></ul><br/>'),
    ],
    [
      'links',
      div('<a href="http://example.org/x?a=1&amp;b=2">x</a><a name="p"/><a href="#p">y</a><a href="Patient/1">z</a>'),
    ],
    ['an image alone', div('<img src="data:image/png;base64,AAAA" alt="x"/>')],
    ['styles that only look', div('a', ' style="color: red; margin: 0 auto"')],
    ['comments', `<!-- a -->${div('a<!-- <script> -->b')}`],
    ['white space around', `\n ${div('a')} \n`],
    ['character references', div('&lt;script&gt; &#233; &#xA0; &amp;amp; &quot;&apos;')],
    ['other quotes', "<div xmlns='http://www.w3.org/1999/xhtml'><p class='x'>a</p></div>"],
  ];
  for (const [what, text] of allowed)
    it(`is XML to a parser of it: ${what}`, () => assert.equal(xmlProblem(text), undefined));
  for (const [what, text] of allowed) it(`allows ${what}`, () => assert.equal(narrativeProblem(text), undefined));

  const refused: [string, string][] = [
    ['a script', div('<script>alert(1)</script>')],
    ['a script in capitals', div('<SCRIPT>alert(1)</SCRIPT>')],
    ['an event handler', div('<p onclick="x()">a</p>')],
    ['an event handler after a slash', div('<img/onerror="x()" src="#a"/>')],
    ['an event handler without quotes', div('<p onclick=x()>a</p>')],
    ['a form', div('<form action="http://x"><input/></form>')],
    ['a frame', div('<iframe src="http://x"></iframe>a')],
    ['an object', div('<object data="x"></object>a')],
    ['SVG', div('<svg><script>x</script></svg>a')],
    ['MathML', div('<math>a</math>')],
    ['a stylesheet', div('<link rel="stylesheet" href="http://x"/>a')],
    ['a style element', div('<style>p{}</style>a')],
    ['a base', div('<base href="http://x"/>a')],
    ['an executable link', div('<a href="javascript:x()">a</a>')],
    ['an executable link in capitals and spaces', div('<a href=" JaVaScRiPt:x()">a</a>')],
    ['an executable link in character references', div('<a href="java&#x73;cript:x()">a</a>')],
    ['an executable link with a tab in it', div('<a href="java\tscript:x()">a</a>')],
    ['data that is a page', div('<a href="data:text/html,x">a</a>')],
    ['an image that is SVG', div('<img src="data:image/svg+xml,x"/>')],
    ['a style that fetches', div('a', ' style="background: url(http://x)"')],
    ['a style that hides in an escape', div('a', ' style="background: u\\72l(http://x)"')],
    ['a style that acts', div('a', ' style="width: expression(x())"')],
    ['a declaration', `<!DOCTYPE div [<!ENTITY x "y">]>${div('a')}`],
    ['a processing instruction', `<?xml version="1.0"?>${div('a')}`],
    ['CDATA', div('<![CDATA[<script>]]>')],
    ['a bare ampersand', div('a & b')],
    ['a bare ampersand at the end', div('a &')],
    ['a bare ampersand in a link', div('<a href="http://example.org/x?a=1&b=2">x</a>')],
    ['an entity that XML does not have', div('a&nbsp;b')],
    ['a reference that does not end', div('&lt a')],
    ['a reference to no character', div('&#0;')],
    ['a reference to half a pair', div('&#xD800;')],
    ['a reference beyond Unicode', div('&#x110000;')],
    ['half a surrogate pair', div('a\ud800b')],
    ['a character that is none', div('a\uffff')],
    ['the end of CDATA', div('a ]]> b')],
    ['two hyphens in a comment', div('<!-- a -- b -->x')],
    ['a comment that ends with three hyphens', div('<!-- a --->x')],
    ['an attribute twice', div('<p id="a" id="b">x</p>')],
    ['two divs', div('a') + div('b')],
    ['text beside the div', `${div('a')}b`],
    ['another root', '<p xmlns="http://www.w3.org/1999/xhtml">a</p>'],
    ['another namespace', '<div xmlns="http://www.w3.org/2000/svg">a</div>'],
    ['an element that is not closed', '<div xmlns="http://www.w3.org/1999/xhtml"><p>a</div>'],
    ['a div that is not closed', '<div xmlns="http://www.w3.org/1999/xhtml">a'],
    ['a comment that is not closed', div('a<!-- ')],
    ['no text at all (txt-2)', div(' <p/> ')],
    ['nothing', ' '],
    ['nesting without end', div(`${'<b>'.repeat(200)}a${'</b>'.repeat(200)}`)],
  ];
  for (const [what, text] of refused) it(`refuses ${what}`, () => assert.notEqual(narrativeProblem(text), undefined));

  it('what it allows never holds an active tag or handler, whatever the pieces', () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      '/',
      'p',
      'script',
      ' onload="x"',
      ' href="',
      'javascript:',
      '"',
      "'",
      '=',
      'a',
      '&#x6a;',
      '<p>',
      '</p>',
      '<!--',
      '-->',
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }).map((pieces) => div(pieces.join(''))),
        (text) => {
          if (narrativeProblem(text) !== undefined) return;
          const outside = text.replace(/<!--.*?-->/gs, '');
          assert.ok(!/<script|<[^>]*\sonload=|<[^>]*href="\s*javascript:/i.test(outside), text);
        },
      ),
      { numRuns: 2000 },
    );
  });
  it('takes linear time on what is made to be slow', () => {
    const ms = processorMs(() => {
      narrativeProblem(div('<!-- -->'.repeat(100_000)));
      narrativeProblem(div(`<p ${'a="b" '.repeat(100_000)}`));
      narrativeProblem(`<div ${' '.repeat(500_000)}`);
    });
    assert.ok(ms < 2000);
  });

  it('is well-formed XML whenever it is allowed, whatever pieces it is made of', () => {
    const piece = fc.constantFrom(
      '&',
      'amp;',
      '#',
      '&#',
      'x',
      '1',
      ';',
      '<',
      '>',
      '<p',
      '</p>',
      '/>',
      '<br/>',
      '<!--',
      '-->',
      '-',
      ']]',
      ' id="a"',
      ' title="',
      '"',
      'b',
      ' ',
      '\ud800',
      '\uffff',
      'ü',
      '&nbsp;',
      '&lt;',
      '&#65;',
      '<p>',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const text = div(pieces.join(''));
        return narrativeProblem(text) !== undefined || xmlProblem(text) === undefined;
      }),
      { numRuns: 2_000 },
    );
  });

  it('mends ampersands as browsers read them, and nothing else', () => {
    const sent = div('a & b &nbsp; &amp; &#233; &copy; &lt <a href="x?a=1&b=2">&quot;</a>');
    const mended = mendReferences(sent);
    assert.equal(mended, div('a &amp; b &#160; &amp; &#233; &amp;copy; &amp;lt <a href="x?a=1&amp;b=2">&quot;</a>'));
    assert.equal(narrativeProblem(mended), undefined);
    assert.equal(xmlProblem(mended), undefined);
    assert.equal(mendReferences(mended), mended);
  });
});
