/**
 * The message types that hospitals send and the hub must serve: every well-formed message of them gives a Bundle. What is
 * neither here nor a query or an acknowledgment is converted where a map serves it, and otherwise refused with the reason.
 */
const ranges = (code: string, letter: string, ...parts: readonly (number | readonly [number, number])[]): string[] =>
  parts.flatMap((part) => {
    const [from, to] = typeof part === 'number' ? [part, part] : part;
    return Array.from(
      { length: to - from + 1 },
      (_, index) => `${code}^${letter}${letter.length > 1 ? from + index : String(from + index).padStart(2, '0')}`,
    );
  });

/** As `ADT^A01`. A19 is the answer to a query, A30 was withdrawn; v2 has no ADT A56 to A59 with a structure of their own. */
export const listedTypes: ReadonlySet<string> = new Set([
  ...ranges('ADT', 'A', [1, 18], [20, 29], [31, 55], [60, 62]),
  ...ranges('ORU', 'R', 1, 30, 40),
  ...ranges('OUL', 'R', [21, 24]),
  'ORM^O01',
  'OMG^O19',
  'OML^O21',
  'OMP^O09',
  'ORL^O22',
  'ORG^O20',
  'RDE^O11',
  'RDS^O13',
  'RAS^O17',
  'RGV^O15',
  'VXU^V04',
  'RSP^K11',
  ...ranges('SIU', 'S', [12, 24], 26),
  ...ranges('SRM', 'S', [1, 11]),
  ...ranges('SRR', 'S', [1, 11]),
  ...ranges('MDM', 'T', [1, 11]),
  ...ranges('DFT', 'P', 3, 11),
  ...ranges('BAR', 'P', 1, 2, 5),
  ...ranges('PPR', 'PC', [1, 3]),
  ...ranges('REF', 'I', [12, 14]),
  ...ranges('RRI', 'I', [12, 14]),
  ...ranges('MFN', 'M', 2, 5),
]);
