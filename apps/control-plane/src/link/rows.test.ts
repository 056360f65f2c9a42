import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyEntity, type KeyRow, nanos, providerEntity, type ProviderRow, settingsEntity, userEntity, type UserRow } from './rows.ts';

const limits = {
  limit_5h_usd: null,
  limit_daily_usd: null,
  limit_weekly_usd: null,
  limit_monthly_usd: null,
  limit_total_usd: null,
  limit_concurrent_sessions: null,
  daily_reset_mode: 'fixed',
  daily_reset_time: '00:00',
};

const user: UserRow = {
  ...limits,
  id: 1,
  name: 'alice',
  is_enabled: true,
  expires_at_ms: null,
  provider_group: null,
  rpm_limit: null,
  allowed_clients: null,
  allowed_models: null,
  budget_enforcement: null,
};

describe('money', () => {
  it('is exact for everything that a limit column of v0.3.42 can hold, and below a cent', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 17n }), (amount) => {
        const text = `${amount / 10n ** 9n}.${(amount % 10n ** 9n).toString().padStart(9, '0')}`;
        expect(nanos(text)).toBe(amount);
      }),
    );
    expect(nanos('99999999.99')).toBe(99_999_999_990_000_000n);
    expect(nanos(null)).toBeUndefined();
  });

  it('never turns a limit into no limit', () => {
    expect(nanos('0.0000000000004')).toBe(1n);
    expect(nanos('1000000000000000000000')).toBe(2n ** 63n - 1n);
    expect(() => nanos('NaN')).toThrow();
  });
});

describe('a user', () => {
  it('without limits and lists has none on the wire', () => {
    const { entity } = userEntity(user);
    expect(entity).toMatchObject({ case: 'user', value: { allowedClients: [], allowedModels: [], providerGroup: '', budgetEnforcement: '' } });
    expect(entity.value).not.toHaveProperty('rpm', expect.anything());
  });

  it('whose lists are not lists is refused rather than allowed everything', () => {
    for (const broken of ['all', 7, { a: 1 }, [1], [null]]) {
      expect(() => userEntity({ ...user, allowed_models: broken })).toThrow(/allowed_models/);
      expect(() => userEntity({ ...user, allowed_clients: broken })).toThrow(/allowed_clients/);
    }
  });

  it('expires at a moment, never at infinity', () => {
    const expiry = (expires_at_ms: string | null) => {
      const { entity } = userEntity({ ...user, expires_at_ms });
      return entity.case === 'user' ? entity.value.expiresAtMs : 'wrong kind';
    };
    expect(expiry('1795417865592')).toBe(1_795_417_865_592n);
    expect(expiry('Infinity')).toBeUndefined();
    expect(expiry('-Infinity')).toBe(0n);
    expect(expiry(null)).toBeUndefined();
  });
});

describe('a key', () => {
  const key: KeyRow = { ...limits, id: 2, user_id: 1, key: 'sk-1', key_hash: null, name: 'default', is_enabled: null, expires_at_ms: null, provider_group: 'a,b', cache_ttl_preference: '1h', budget_enforcement: 'hard' };

  it('travels as its hash and is enabled only when the row says so', () => {
    const { entity } = keyEntity(key, new Uint8Array(32).fill(7));
    expect(entity).toMatchObject({ case: 'key', value: { enabled: false, providerGroup: 'a,b', cacheTtlPreference: '1h', budgetEnforcement: 'hard', sha256: new Uint8Array(32).fill(7) } });
    expect(JSON.stringify(entity, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value))).not.toContain('sk-1');
  });
});

describe('a provider', () => {
  it('with nulls has the defaults of its columns', () => {
    const nullable = Object.fromEntries(
      ['cost_multiplier', 'group_tag', 'model_redirects', 'allowed_models', 'join_claude_pool', 'mcp_passthrough_url', 'total_cost_reset_at_ms', 'max_retry_attempts', 'circuit_breaker_failure_threshold', 'circuit_breaker_open_duration', 'circuit_breaker_half_open_success_threshold', 'proxy_url', 'proxy_fallback_to_direct', 'cache_ttl_preference', 'context_1m_preference', 'codex_reasoning_effort_preference', 'codex_reasoning_summary_preference', 'codex_text_verbosity_preference', 'codex_parallel_tool_calls_preference', 'on_client_abort'].map((name) => [name, null]),
    );
    const row = {
      ...limits,
      ...nullable,
      id: 3,
      name: 'main',
      url: 'https://example.com',
      key: 'stored',
      is_enabled: true,
      weight: 1,
      priority: 0,
      provider_type: 'claude',
      preserve_client_ip: false,
      mcp_passthrough_type: 'none',
      first_byte_timeout_streaming_ms: 0,
      streaming_idle_timeout_ms: 0,
      request_timeout_non_streaming_ms: 0,
    } as ProviderRow;
    const { entity } = providerEntity(row, 'revealed');
    expect(entity).toMatchObject({ case: 'provider', value: { apiKey: 'revealed', breakerFailureThreshold: 5, breakerOpenMs: 1_800_000, breakerHalfOpenSuccesses: 2, modelRedirects: {}, allowedModels: [], costMultiplier: '' } });
    expect(() => providerEntity({ ...row, model_redirects: { a: 1 } }, '')).toThrow(/model_redirects/);
    expect(() => providerEntity({ ...row, model_redirects: ['a'] }, '')).toThrow(/model_redirects/);
  });
});

describe('settings', () => {
  it('have the defaults of the table when it is empty', () => {
    expect(settingsEntity(undefined, 'Asia/Shanghai').entity).toMatchObject({ value: { enableFormatConversion: true, timeZone: 'Asia/Shanghai', interceptWarmupRequests: false } });
  });
});
