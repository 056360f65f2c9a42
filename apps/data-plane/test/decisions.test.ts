import { compile, create, emptySnapshot, type Provider, type Snapshot, wire } from '@hub/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Caller } from '../src/authenticate.ts';
import { maxOutputOf, mostInputTokens, withOutputCap } from '../src/budget.ts';
import { judge } from '../src/failure-policy.ts';
import { compareVersions, parseClient } from '../src/guards/client-version.ts';
import { planCandidates, type PlanFacts, supportsModel } from '../src/plan.ts';
import { isRecord } from '../src/request/json.ts';
import type { ProxyRequest } from '../src/request/proxy-request.ts';
import { sessionIdOf } from '../src/request/session-id.ts';
import { routeOf } from '../src/routes.ts';
import { withCacheTtl, withoutPrivateKeys } from '../src/upstream/body.ts';
import { prepareRequest } from '../src/upstream/prepare.ts';
import { isPrivateAddress } from '../src/upstream/private-address.ts';
import { failureOf } from '../src/upstream/reply.ts';
import { targetOf } from '../src/upstream/target.ts';
import { type Fields, key, provider, user } from './boot.ts';

function snapshotOf(...entities: wire.Entity['entity'][]): Snapshot {
  const { snapshot, problems } = compile(emptySnapshot, { version: 'v', full: true, upserts: entities.map((entity) => create(wire.EntitySchema, { entity })), deletes: [] });
  expect(problems).toEqual([]);
  return snapshot;
}
const providerOf = (init: Fields<wire.Provider>): Provider => {
  const [found] = snapshotOf(provider({ url: 'https://up.example', ...init })).providers.values();
  if (found === undefined) throw new Error('no provider');
  return found;
};
function callerOf(init: Fields<wire.Key> = {}): Caller {
  const snapshot = snapshotOf(user(), key(init));
  const [callerKey] = snapshot.keys.values();
  const [callerUser] = snapshot.users.values();
  if (callerKey === undefined || callerUser === undefined) throw new Error('no caller');
  return { key: callerKey, user: callerUser };
}
function requestOf(init: Partial<ProxyRequest> & { body?: Record<string, unknown> } = {}): ProxyRequest {
  const body = init.body ?? { model: 'claude-sonnet-4-5', messages: [{ role: 'user', content: 'hi' }] };
  return {
    method: 'POST', path: '/v1/messages', search: '', headers: {}, clientAddress: '192.0.2.1', arrivedAt: 0, operation: 'generate', format: 'claude',
    dialect: 'anthropic', bytes: Buffer.from(JSON.stringify(body)), body, model: typeof body['model'] === 'string' ? body['model'] : undefined,
    modelFrom: 'body', streaming: false, messageCount: 1, userAgent: 'claude-cli/2.0.14', ...init,
  };
}
const facts = (init: Partial<PlanFacts> = {}): PlanFacts => ({ format: 'claude', model: 'claude-sonnet-4-5', wantsContext1m: false, caller: callerOf(), bound: undefined, canConvert: false, ...init });
const healthy = () => ({ circuit: 'closed' as const, overLimit: false });
const ids = (plan: ReturnType<typeof planCandidates>) => plan.candidates.map((candidate) => candidate.provider.id);

describe('plan', () => {
  const p = (id: number, init: Fields<wire.Provider> = {}) => provider({ id, name: `p${id}`, url: 'https://up.example', ...init });

  it('groups: a key sees what shares a group with it; * sees all; nothing means default', () => {
    const snapshot = snapshotOf(p(1), p(2, { groupTag: 'vip,x' }), p(3, { groupTag: 'y' }));
    const seen = (providerGroup: string) => ids(planCandidates(facts({ caller: callerOf({ providerGroup }) }), snapshot, healthy, () => 0)).toSorted((a, b) => a - b);
    expect(seen('')).toEqual([1]);
    expect(seen('default')).toEqual([1]);
    expect(seen('vip')).toEqual([2]);
    expect(seen('x, y')).toEqual([2, 3]);
    expect(seen('*')).toEqual([1, 2, 3]);
  });

  it('says of everyone that is left out why', () => {
    const snapshot = snapshotOf(
      p(1, { enabled: false }), p(2, { providerType: 'codex' }), p(3, { allowedModels: ['claude-other'] }), p(4, { context1mPreference: 'disabled' }), p(5), p(6), p(7),
    );
    const plan = planCandidates(facts({ wantsContext1m: true }), snapshot, (provider) => ({ circuit: provider.id === 5 ? 'open' : 'closed', overLimit: provider.id === 6 }), () => 0);
    expect(Object.fromEntries(plan.filtered.map(({ id, reason }) => [id, reason]))).toEqual({
      1: 'disabled', 2: 'format_type_mismatch', 3: 'model_not_allowed', 4: 'context_1m_disabled', 5: 'circuit_open', 6: 'rate_limited',
    });
    expect(ids(plan)).toEqual([7]);
    expect(plan.decision).toMatchObject({ totalProviders: 7, beforeHealthCheck: 3, afterHealthCheck: 1, selectedPriority: 0 });
  });

  it('the lowest priority number first, the session’s provider before all, but only if it may be used', () => {
    const snapshot = snapshotOf(p(1, { priority: 5 }), p(2, { priority: 0 }), p(3, { priority: 5, enabled: false }));
    expect(ids(planCandidates(facts(), snapshot, healthy, () => 0))).toEqual([2, 1]);
    expect(ids(planCandidates(facts({ bound: 1 }), snapshot, healthy, () => 0))).toEqual([1, 2]);
    expect(ids(planCandidates(facts({ bound: 3 }), snapshot, healthy, () => 0))).toEqual([2, 1]);
  });

  it('weights decide how often each comes first', () => {
    const snapshot = snapshotOf(p(1, { weight: 1 }), p(2, { weight: 3 }));
    let seed = 7;
    const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    const first = Array.from({ length: 4000 }, () => ids(planCandidates(facts(), snapshot, healthy, random))[0]);
    expect(first.filter((id) => id === 2).length / first.length).toBeCloseTo(0.75, 1);
  });

  it('contains every able provider exactly once, whatever the chances', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ priority: fc.nat(3), weight: fc.nat(5) }), { maxLength: 12 }), fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 30, maxLength: 30 }), (rows, chances) => {
        const snapshot = snapshotOf(...rows.map((row, index) => p(index + 1, row)));
        let next = 0;
        const order = ids(planCandidates(facts(), snapshot, healthy, () => chances[next++ % chances.length] ?? 0));
        expect(order.toSorted((a, b) => a - b)).toEqual(rows.map((_, index) => index + 1));
        const priorities = order.map((id) => rows[id - 1]?.priority ?? 0);
        expect(priorities).toEqual(priorities.toSorted((a, b) => a - b));
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ['claude', 'claude-x', {}, true],
    ['claude', 'claude-x', { allowedModels: ['claude-y'] }, false],
    ['claude', 'claude-x', { allowedModels: ['claude-x'] }, true],
    ['claude', 'gpt-4o', {}, false],
    ['claude', 'gpt-4o', { modelRedirects: { 'gpt-4o': 'claude-x' } }, true],
    ['openai-compatible', 'gpt-4o', {}, true],
    ['openai-compatible', 'gpt-4o', { allowedModels: ['gpt-5'] }, false],
    ['openai-compatible', 'claude-x', {}, false],
    ['openai-compatible', 'claude-x', { joinClaudePool: true, modelRedirects: { 'claude-x': 'claude-z' } }, true],
  ] as const)('%s and %s with %j: %s', (providerType, model, init, expected) => {
    expect(supportsModel(providerOf({ providerType, ...(init as Fields<wire.Provider>) }), model)).toBe(expected);
  });

  it('without a model only type claude serves', () => {
    const snapshot = snapshotOf(p(1), p(2, { providerType: 'claude-auth' }));
    expect(ids(planCandidates(facts({ model: undefined }), snapshot, healthy, () => 0))).toEqual([1]);
  });
});

describe('what a provider gets', () => {
  const prepare = (request: ProxyRequest, init: Fields<wire.Provider> = {}, keyInit: Fields<wire.Key> = {}) =>
    prepareRequest(request, callerOf(keyInit), providerOf(init), { credential: { kind: 'bearer+x-api-key', token: 'T' }, outputCap: undefined, sameProvider: false });
  const json = (body: Buffer | undefined) => JSON.parse(body?.toString() ?? '') as Record<string, unknown>;
  const headersOf = (flat: readonly string[]) => Object.fromEntries(Array.from({ length: flat.length / 2 }, (_, index) => [flat[index * 2], flat[index * 2 + 1]]));

  it('the very bytes of the client if nothing has to change', () => {
    const request = requestOf();
    expect(prepare(request).body).toBe(request.bytes);
  });

  it('another model where the provider maps it, in body or path', () => {
    expect(json(prepare(requestOf(), { modelRedirects: { 'claude-sonnet-4-5': 'claude-b' } }).body)['model']).toBe('claude-b');
    const gemini = requestOf({ format: 'gemini', dialect: 'gemini', path: '/v1beta/models/gemini-2.5-pro:generateContent', model: 'gemini-2.5-pro', modelFrom: 'path', body: { contents: [] } });
    const prepared = prepare(gemini, { providerType: 'gemini', modelRedirects: { 'gemini-2.5-pro': 'gemini-x/y' } });
    expect(prepared.target.path).toBe('/v1beta/models/gemini-x%2Fy:generateContent');
    expect(prepared.body).toBe(gemini.bytes);
  });

  it('the 1h cache with its betas, the key before the provider', () => {
    const content = [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }];
    const request = requestOf({ body: { model: 'claude-sonnet-4-5', system: content, messages: [{ role: 'user', content }] } });
    const prepared = prepare(request, { cacheTtlPreference: '5m' }, { cacheTtlPreference: '1h' });
    expect(json(prepared.body)).toMatchObject({ system: content, messages: [{ content: [{ cache_control: { type: 'ephemeral', ttl: '1h' } }] }] });
    expect(headersOf(prepared.headers)['anthropic-beta']).toBe('extended-cache-ttl-2025-04-11, prompt-caching-2024-07-31');
  });

  it('the 1M context where asked for or forced, and only where the model has it', () => {
    const asked = requestOf({ headers: { 'anthropic-beta': 'claude-code-20250219,context-1m-2025-08-07' } });
    expect(prepare(asked).context1m).toBe(true);
    expect(prepare(requestOf(), { context1mPreference: 'force_enable' }).context1m).toBe(true);
    expect(prepare(requestOf({ model: 'claude-opus-4-1' }), { context1mPreference: 'force_enable' }).context1m).toBe(false);
    expect(headersOf(prepare(requestOf(), { context1mPreference: 'force_enable' }).headers)['anthropic-beta']).toBe('context-1m-2025-08-07');
  });

  it('Codex: an unofficial client’s request is made acceptable, preferences override, an audit entry says so', () => {
    const body = { model: 'gpt-5-codex', input: [], temperature: 1, store: true, reasoning: { effort: 'low' } };
    const base = { format: 'response', dialect: 'openai-responses', path: '/v1/responses', body } as const;
    const prepared = prepare(requestOf({ ...base, userAgent: 'my-script/1' }), { providerType: 'codex', codexReasoningEffort: 'high' });
    expect(json(prepared.body)).toEqual({ model: 'gpt-5-codex', input: [], store: false, parallel_tool_calls: true, reasoning: { effort: 'high' } });
    expect(prepared.specialSettings[0]).toMatchObject({ type: 'provider_parameter_override', changed: true, hit: true });
    const official = requestOf({ ...base, userAgent: 'codex_cli_rs/0.55.0 (x)' });
    expect(prepare(official, { providerType: 'codex' }).body).toBe(official.bytes);
    const current = requestOf({ ...base, userAgent: 'codex_exec/0.169.0 (x)' });
    expect(prepare(current, { providerType: 'codex' }).body).toBe(current.bytes);
  });

  it('the client’s address only if the provider may have it', () => {
    const request = requestOf({ headers: { 'x-forwarded-for': '203.0.113.9, 10.0.0.1', 'cf-connecting-ip': '203.0.113.9' }, clientAddress: '203.0.113.9' });
    expect(headersOf(prepare(request).headers)).not.toHaveProperty('x-forwarded-for');
    const kept = headersOf(prepare(request, { preserveClientIp: true }).headers);
    expect(kept).toMatchObject({ 'x-forwarded-for': '203.0.113.9, 10.0.0.1', 'x-real-ip': '203.0.113.9' });
    expect(kept).not.toHaveProperty('cf-connecting-ip');
  });

  it.each([
    ['https://a.example', '/v1/messages', '', '/v1/messages'],
    ['https://a.example/', '/v1/messages', '?beta=true', '/v1/messages?beta=true'],
    ['https://a.example/api', '/v1/messages', '', '/api/v1/messages'],
    ['https://a.example/api/v1', '/v1/messages', '', '/api/v1/messages'],
    ['https://a.example/v1/messages', '/v1/messages', '', '/v1/messages'],
    ['https://a.example/openai/responses', '/v1/responses', '', '/openai/responses'],
    ['https://a.example/x?v=1', '/v1/messages', '', '/x/v1/messages?v=1'],
    ['https://a.example', '/v1beta/models/m:generateContent', '?key=sk-1&alt=sse', '/v1beta/models/m:generateContent?alt=sse'],
    ['https://a.example', '/v1beta/models/m:generateContent', '?%6Bey=sk-1', '/v1beta/models/m:generateContent'],
  ])('%s + %s%s → %s', (url, path, search, expected) => {
    expect(targetOf(providerOf({ url }), path, search)).toEqual({ origin: 'https://a.example', path: expected });
  });

  it('unknown paths go to the passthrough address if there is one', () => {
    const custom = providerOf({ url: 'https://a.example/api', mcpPassthroughType: 'custom', mcpPassthroughUrl: 'https://mcp.example/base' });
    expect(targetOf(custom, '/v1/mcp/tool', '')).toEqual({ origin: 'https://mcp.example', path: '/base/v1/mcp/tool' });
    expect(targetOf(custom, '/v1/messages', '').origin).toBe('https://a.example');
  });

  it('private notes are removed at any depth, and what is clean stays the same object', () => {
    expect(withoutPrivateKeys({ a: [{ _b: 1, c: 2 }], _d: 3 })).toEqual({ a: [{ c: 2 }] });
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const cleaned = withoutPrivateKeys(value);
        expect(JSON.stringify(cleaned)).not.toMatch(/[{,]"_[^"]*":/);
        if (!JSON.stringify(value).includes('"_')) expect(cleaned).toBe(value);
      }),
    );
    const body = { messages: [{ role: 'user', content: 'plain' }] };
    expect(withCacheTtl(body, '1h')).toBe(body);
  });

  it('an output cap stands where the dialect has it', () => {
    expect(withOutputCap({ max_tokens: 9 }, 'anthropic', 3)).toEqual({ max_tokens: 3 });
    expect(withOutputCap({}, 'openai-chat', 3)).toEqual({ max_completion_tokens: 3 });
    expect(withOutputCap({ request: { contents: [] } }, 'gemini', 3)).toEqual({ request: { contents: [], generationConfig: { maxOutputTokens: 3 } } });
    expect(maxOutputOf({ max_output_tokens: 7 }, 'openai-responses')).toBe(7);
    expect(maxOutputOf({ generationConfig: { maxOutputTokens: 5 } }, 'gemini')).toBe(5);
    expect(maxOutputOf({ max_tokens: 5, max_completion_tokens: 9 }, 'openai-chat')).toBe(9);
    // A field of another dialect bounds nothing.
    expect(maxOutputOf({ max_tokens: 1 }, 'openai-responses')).toBeUndefined();
  });

  it('a picture is not counted by its base64', () => {
    const picture = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: `iVBOR${'A'.repeat(400_000)}` } };
    expect(mostInputTokens(requestOf({ body: { messages: [{ role: 'user', content: [picture] }] } }))).toBeLessThan(7000);
    expect(mostInputTokens(requestOf({ body: { messages: [{ role: 'user', content: '你好'.repeat(1000) }] } }))).toBeGreaterThan(4000);
  });
});

describe('sessions', () => {
  const id = (init: Parameters<typeof requestOf>[0], caller = callerOf()) => sessionIdOf(requestOf(init), caller);
  const withUser = (userId: string) => ({ body: { messages: [{ role: 'user', content: 'hi' }], metadata: { user_id: userId } } });

  it('is what the client says, in its old and its new way', () => {
    expect(id(withUser('user_a_account__session_abc'))).toEqual({ id: 'abc', source: 'client' });
    expect(id(withUser('{"device_id":"d","account_uuid":"","session_id":"uuid-1"}')).id).toBe('uuid-1');
    expect(id({ headers: { 'x-claude-code-session-id': 'hdr-1' } }).id).toBe('hdr-1');
    const codex = { format: 'response', dialect: 'openai-responses', body: { input: [], prompt_cache_key: '0199a2f4-aaaa-bbbb-cccc-000000000001' } } as const;
    expect(id(codex).id).toBe('0199a2f4-aaaa-bbbb-cccc-000000000001');
    expect(id({ ...codex, headers: { 'session-id': '0199a2f4-aaaa-bbbb-cccc-000000000002' } }).id).toBe('0199a2f4-aaaa-bbbb-cccc-000000000002');
  });

  it('without one: stays the same while a conversation grows, differs by caller and by conversation', () => {
    const first = { messages: [{ role: 'user', content: 'hello' }] };
    const later = { messages: [{ role: 'user', content: 'hello' }, { role: 'assistant', content: 'x' }, { role: 'user', content: 'y' }] };
    expect(id({ body: later })).toEqual(id({ body: first }));
    expect(id({ body: first })).not.toEqual(id({ body: first }, callerOf({ id: 2 })));
    expect(id({ body: first })).not.toEqual(id({ body: { messages: [{ role: 'user', content: 'other' }] } }));
    expect(id({ body: first }).source).toBe('derived');
  });

  it('fits its column', () => {
    expect(id(withUser(`user_session_${'x'.repeat(300)}`)).id.length).toBeLessThanOrEqual(64);
  });
});

describe('small rules', () => {
  it('routes', () => {
    expect(routeOf('POST', '/v1/MESSAGES')).toMatchObject({ kind: 'proxy', operation: 'generate', format: 'claude' });
    expect(routeOf('POST', '/v1/models/gemini-2.5-pro:streamGenerateContent')).toMatchObject({ operation: 'generate', format: 'gemini' });
    expect(routeOf('POST', '/v1beta/models/x:countTokens')).toMatchObject({ operation: 'other', format: 'gemini' });
    expect(routeOf('GET', '/v1/chat/models')).toMatchObject({ kind: 'models', providerTypes: ['openai-compatible'] });
    expect(routeOf('GET', '/v1/messages')).toMatchObject({ kind: 'proxy', operation: 'other', format: 'claude' });
    expect(routeOf('GET', '/metrics')).toEqual({ kind: 'unknown' });
  });

  it('client versions', () => {
    expect(parseClient('claude-cli/2.0.31 (claude-vscode, x)')).toEqual({ type: 'claude-vscode', version: '2.0.31' });
    expect(parseClient('Mozilla/5.0')).toBeUndefined();
    expect(['2.0.10', '2.0.9', '2.0.10-beta.1', '10.0.0'].toSorted(compareVersions)).toEqual(['2.0.9', '2.0.10-beta.1', '2.0.10', '10.0.0']);
  });

  it('private addresses', () => {
    for (const address of ['127.0.0.1', '10.1.2.3', '172.20.0.1', '192.168.1.1', '169.254.169.254', '0.0.0.0', '::1', 'fd00::1', 'fe80::1', '::ffff:127.0.0.1', '100.64.1.1']) expect(isPrivateAddress(address), address).toBe(true);
    for (const address of ['1.1.1.1', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8']) expect(isPrivateAddress(address), address).toBe(false);
  });

  it.each([
    [404, 'not_found', true, true, false],
    [400, 'caller_error', false, true, false],
    [413, 'caller_error', false, true, false],
    [422, 'caller_error', false, true, false],
    [401, 'provider_error', true, true, true],
    [429, 'provider_error', true, true, true],
    [529, 'provider_error', true, true, true],
  ] as const)('status %d is a %s', (status, category, retrySame, tryNext, countsForBreaker) => {
    const failure = { ...failureOf('status', status, 'x'), body: 'x' };
    expect(judge(failure, { operation: 'generate', breakerCountsNetworkErrors: false, matchRule: () => undefined })).toMatchObject({ category, retrySame, tryNext, countsForBreaker });
  });

  it('a rule never judges a network error', () => {
    const rule = { id: 1, pattern: 'x', matchType: 'contains', category: 'c', description: '', priority: 0, overrideResponse: undefined, overrideStatus: undefined } as const;
    expect(judge(failureOf('network', 502, 'x'), { operation: 'generate', breakerCountsNetworkErrors: true, matchRule: () => rule })).toMatchObject({ category: 'network_error', countsForBreaker: true });
    expect(isRecord([])).toBe(false);
  });
});
