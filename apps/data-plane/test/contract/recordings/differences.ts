/** What differs from the recordings on purpose. Every reason is a line of docs/compatibility.md, section "Proxy". */

export interface Difference {
  /** `<group>/<case>`. */
  readonly cases: RegExp;
  /** Of the comparison, each beginning with the field. */
  readonly lines: RegExp;
  /** The first column of the line in docs/compatibility.md. */
  readonly why: string;
}

export const differences: readonly Difference[] = [
  { cases: /./, lines: /^answer\.headers\.(access-control-allow-origin|access-control-allow-credentials|access-control-expose-headers): not expected/, why: 'CORS headers' },
];

/** The rows of the table that explain a line of a case. */
export function explained(caseName: string, line: string): readonly Difference[] {
  return differences.filter(({ cases, lines }) => cases.test(caseName) && lines.test(line));
}
