/**
 * What differs from the recordings on purpose. Every reason is a line of docs/compatibility.md, section "Proxy"; a row that
 * explains nothing any more is a failure, as is a line that no row explains.
 */

export interface Difference {
  /** `<group>/<case>`. */
  readonly cases: RegExp;
  /** Lines of the comparison, each beginning with the field. */
  readonly lines: RegExp;
  /** Set where a whole answer is another one: the lines that say what it is now, all of which must be there. */
  readonly tells?: readonly RegExp[];
  /** The first column of the line in docs/compatibility.md. */
  readonly why: string;
}

const every = /^/;
/** Fields of the row that hold tokens and what is computed from them. */
const tokens = '\\w+_tokens|cache_ttl_applied|cost_usd';
/** An answer instead of another one, with everything that comes with it, and nothing else. */
const refused = /^(answer\.|upstream\.0: missing|rows\.0: missing)/;
const served = /^(answer\.|upstream\.0: not expected|rows\.0: not expected)/;
const failed = new RegExp(`^(answer\\.|upstream\\.1: not expected|rows\\.0\\.(status_code|error|ttfb|${tokens}|chain\\.[12][.:]))`);
const servedByTheNext = new RegExp(`^(answer\\.|upstream\\.[12]: not expected|rows\\.0\\.(provider|ttfb|${tokens}|chain\\.[123][.:]))`);
const refusedNow = (status: number) => [new RegExp(`^answer\\.status: expected 200, is ${status}$`), /^upstream\.0: missing/, /^rows\.0: missing/];
const servedNow = (status: number) => [new RegExp(`^answer\\.status: expected ${status}, is 200$`), /^rows\.0: not expected/];
const failedNow = (row: number) => [/^answer\.status: expected 200, is 503$/, new RegExp(`^rows\\.0\\.status_code: expected 200, is ${row}$`)];

export const differences: readonly Difference[] = [
  // Every answer.
  { cases: every, lines: /^answer\.headers\.access-control-(allow-origin|allow-credentials|expose-headers): not expected/, why: 'CORS headers' },
  { cases: every, lines: /^answer\.body\.(type: not expected, is "error"|error\.status: not expected, is "[A-Z_]+")$/, why: 'Errors in the client’s dialect' },
  { cases: every, lines: /^answer\.headers\.x-should-retry: not expected, is "false"$/, why: '`x-should-retry: false`' },
  { cases: every, lines: /^answer\.headers\.content-type: expected "application\/json", is "application\/json; charset=utf-8"$/, why: '`Content-Type` of the hub’s own answers' },

  // Requests.
  { cases: /^proxy-guards\/bad-(json|gzip)$/, lines: refused, tells: [/^answer\.status: expected 200, is 400$/, /^upstream\.0: missing/, /^rows\.0: missing/], why: 'Bodies that cannot be read' },
  { cases: /^proxy-guards\/(json|chat)-null-body$/, lines: /^answer\.(status|body\.)/, tells: [/^answer\.status: expected 500, is 400$/, /^answer\.body\.error\.code: .* is "invalid_json"$/], why: 'Bodies that cannot be read' },
  { cases: /^proxy-happy\/messages-gzip-request$/, lines: /^(upstream\.0\.(headers\.content-encoding|body\.)|rows\.0\.)/, tells: [/^rows\.0\.cost_usd: expected 0, is 0\.0027525$/], why: '`Content-Encoding` of requests' },
  { cases: /^proxy-guards\/responses-string-input$/, lines: served, tells: servedNow(400), why: '`input` as a text' },
  { cases: /^proxy-guards\/session-id-too-long$/, lines: served, tells: [...servedNow(500), /^rows\.0: .*"session_id":"sess_…"/], why: 'Session ids of more than 64 characters' },
  { cases: /^proxy-happy\/messages-json-metadata-user-id$/, lines: /^rows\.0\.session_id: expected "sess_…", is "[0-9a-f-]{36}"$/, why: 'Session ids of today’s clients' },
  { cases: /^proxy-happy\/chat-path-with-input-body$/, lines: /^(answer\.body\.|upstream\.0\.url)/, tells: [/^upstream\.0\.url: .* is "\/v1\/responses"$/, /^answer\.body\.object: .* is "response"$/], why: 'A body of the other kind on `/v1/chat/completions` or `/v1/responses`' },
  { cases: /^proxy-happy\/responses-path-with-messages-body$/, lines: /^(answer\.(headers|body)|upstream\.0\.(url|headers|body)|rows\.0\.(provider|chain\.[01]\.))/, tells: [/^upstream\.0\.url: .* is "\/v1\/chat\/completions"$/, /^rows\.0\.provider: expected "p-codex", is "p-openai"$/], why: 'A session never decides over the format' },

  { cases: /^proxy-guards\/sensitive-(gemini|responses-instructions)$/, lines: /^(answer\.|upstream\.0: missing|rows\.0\.)/, tells: [/^answer\.status: expected 200, is 400$/, /^rows\.0\.blocked_by: expected null, is "sensitive_word"$/], why: 'Where sensitive words are looked for' },
  { cases: /^proxy-guards\/sensitive-|^j60\/47a$/, lines: /^rows\.0\.(original_model|endpoint|session_id|user_agent): expected null/, why: 'Rows of requests with a sensitive word' },

  // What upstreams get.
  { cases: /^proxy-happy\/(messages-query-key|gemini-key-query)$/, lines: /^upstream\.0\.url: expected ".*\?key=sk-\w+", is "[^?]*"$/, why: 'Hub keys' },
  { cases: /^proxy-happy\/(claude-auth-x-api-key|goog-key-to-claude)$/, lines: /^upstream\.0\.headers\.x-(api|goog-api)-key: missing, expected "sk-/, why: 'Hub keys' },
  { cases: /^proxy-happy\/url-ending-v1$/, lines: /^upstream\.[01]\.url: expected "\/v1\/v1\/messages", is "\/v1\/messages"$/, why: 'Provider URLs that end in `/v1`' },
  { cases: /^proxy-happy\/gemini-redirect$/, lines: /^upstream\.0\.body\.model: missing/, why: 'Model redirects of Gemini providers' },
  { cases: /-completions-stream|abort-mid-stream/, lines: /^upstream\.0\.body\.stream_options: not expected, is \{"include_usage":true\}$/, why: 'Tokens of Chat Completions' },

  // What clients get.
  { cases: /-completions-stream|abort-mid-stream/, lines: /^answer\.body\.\d+\.data\.usage: not expected, is null$/, why: 'Tokens of Chat Completions' },
  { cases: /^proxy-happy\/br$/, lines: new RegExp(`^(answer\\.(headers\\.content-encoding|body\\.)|rows\\.0\\.(${tokens}))`), tells: [/^answer\.headers\.content-encoding: missing/, /^rows\.0\.cost_usd: expected 0, is 0\.0027525$/], why: 'Encoded answers' },
  { cases: /^proxy-upstream\/count_tokens-fail|^j60\/56|single-fail-4/, lines: /^answer\.body\.request_id: not expected/, why: '`request_id` of an upstream’s error' },
  { cases: /^proxy-upstream\/count_tokens-fail-404$/, lines: /^answer\./, tells: [/^answer\.status: expected 503, is 200$/, /^answer\.headers\.x-hub-estimated: not expected, is "true"$/], why: '`count_tokens` that no provider answers' },

  // Lists of models.
  { cases: /^proxy-models|^j60\/60/, lines: /^upstream\.\d\.headers\.accept(-encoding)?: not expected/, why: 'Lists of models' },
  { cases: /^proxy-models/, lines: /^answer\.body\.error\.code: not expected/, why: 'Lists of models' },
  { cases: /^proxy-models\/allowed-models-user$/, lines: /^answer\.body\.data\.[01](\.id: .* is "claude-sonnet-4-5-20250929"|: missing)/, why: 'Lists of models' },
  { cases: /^proxy-models\/v1-query-key$/, lines: /^(answer\.|upstream\.[01]: not expected)/, tells: [/^answer\.status: expected 401, is 200$/], why: 'Lists of models' },

  // Rows.
  { cases: every, lines: /^rows\.0\.status_code: expected 503, is (302|4\d\d|5\d\d)$/, why: 'Rows of requests that nobody could serve' },
  { cases: every, lines: /^rows\.0\.error: expected "a sentence", is "Provider \S+ returned \d+"$/, why: 'Rows of requests that nobody could serve' },
  { cases: every, lines: /^rows\.0\.cost_usd: expected 0, is null$/, why: 'Unknown costs' },
  { cases: /chat|deterministic|bearer-2|embeddings-array-input|openai-abort|responses-path/, lines: new RegExp(`^rows\\.0\\.(${tokens}): expected`), why: 'Tokens of Chat Completions' },
  { cases: /^proxy-happy\/no-usage$|abort-mid-stream/, lines: /^rows\.0\.(input_tokens|output_tokens|cost_usd): expected/, why: 'Tokens that no upstream reported' },
  { cases: /chat-completions-stream|^proxy-session/, lines: /^rows\.0\.chain\.0\.decision\./, why: '`decisionContext` of a reused session' },
  { cases: /first-byte-timeout|x4$/, lines: /^rows\.0\.chain\.[12]\.failed\.provider\.upstreamBody: missing, expected .*timeout_error/, why: 'Bodies that no upstream sent' },

  // Failures.
  { cases: /-fail-(400|413|422)(-plain)?(-stream)?$/, lines: /^(upstream\.[12][.:]|rows\.0\.chain\.[123][.:])/, why: 'Upstream statuses 400, 413 and 422' },
  { cases: /(single|codex|gemini)-fail-(400|413|422)(-plain)?(-stream)?$/, lines: /^answer\.(status|body\.error\.(type|code)): expected/, tells: [/^answer\.status: expected 503, is 4(00|13|22)$/], why: 'Upstream statuses 400, 413 and 422' },
  { cases: /^proxy-upstream\/single-(bad-json|html)-stream$/, lines: failed, tells: failedNow(520), why: 'Answers that are none' },
  { cases: /^proxy-upstream\/failover-bad-json$/, lines: servedByTheNext, tells: [/^rows\.0\.provider: expected "f-bad-json-a", is "f-bad-json-b"$/, /^rows\.0\.cost_usd: expected 0, is 0\.0027525$/], why: 'Answers that are none' },
  { cases: /^proxy-upstream\/single-abort-mid-stream-nonstream$/, lines: failed, tells: failedNow(502), why: 'Answers that are cut' },
  { cases: /^proxy-upstream\/failover-abort-before-body$/, lines: servedByTheNext, tells: [/^answer\.cut: expected true, is false$/, /^rows\.0\.provider: .* is "f-abort-before-body-b"$/, /^rows\.0\.cost_usd: expected 0, is 0\.0027525$/], why: 'Answers that are cut' },
  { cases: /abort-mid-stream(-stream)?$/, lines: /^(answer\.body\.\d+: not expected, is .*"error"|rows\.0\.(status_code: expected 200, is 502|error: expected null))/, tells: [/^answer\.body\.5: not expected, is .*"error":\{/], why: 'Answers that are cut' },
  { cases: /first-byte-timeout-headers-then-late-body$/, lines: servedByTheNext, tells: [/^answer\.body\.0: not expected/, /^rows\.0\.provider: .* is "f-ttfbbody-b"$/, /^rows\.0\.cost_usd: expected 0, is 0\.0027525$/], why: 'The limit of the first byte' },
  { cases: /^j60\/x5$/, lines: /^(answer\.|rows\.0\.(status_code|error|ttfb|chain\.1\.))/, tells: [/^answer\.status: expected 200, is 0$/, /^rows\.0\.status_code: expected 200, is 499$/], why: 'The beginning of a stream' },

  // Limits.
  { cases: /^proxy-limits\/cost-(dailyroll|weekly|monthly|u5h)$/, lines: refused, tells: refusedNow(402), why: 'Limits of users' },
  { cases: /^proxy-limits\/user-concurrent-1-session-2$/, lines: refused, tells: refusedNow(429), why: 'Limits of users' },
  { cases: /^proxy-limits\/key-concurrent-(1-session-1|2-session-2|2-session-1-third)$/, lines: served, tells: servedNow(429), why: 'Concurrent sessions of a key' },
  { cases: /^proxy-limits\/key-concurrent-2-session-3$/, lines: /^answer\.body\.error\.current: expected 3, is 2$/, why: 'Concurrent sessions of a key' },
  { cases: /^proxy-session\/short-context-parallel$/, lines: /^rows\.0\.(session_id|request_sequence): expected/, why: 'Requests that run at the same time in one session' },
];

/** Recordings that are not replayed here. */
export const elsewhere: readonly { readonly cases: RegExp; readonly why: string }[] = [
  { cases: /^proxy-session\/get|^j60\/(46b|50-health|54b)$/, why: 'an action of the management API: apps/control-plane' },
];

export interface Judged {
  readonly unexplained: readonly string[];
  /** What a whole-answer row says should be there, and is not. */
  readonly untold: readonly string[];
}

/** Which lines of a case no row explains. @param used collects the rows that explained something */
export function judge(caseName: string, lines: readonly string[], used: Set<Difference>): Judged {
  const rows = differences.filter(({ cases }) => cases.test(caseName));
  const unexplained = lines.filter((line) => {
    const explaining = rows.filter((row) => row.lines.test(line));
    for (const row of explaining) used.add(row);
    return explaining.length === 0;
  });
  const told = rows.flatMap(({ tells = [] }) => tells);
  return { unexplained, untold: told.filter((fact) => !lines.some((line) => fact.test(line))).map(String) };
}
