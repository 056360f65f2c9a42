-- The schema of v0.3.42, object by object: a database of that version is recorded as already having this migration.

CREATE TYPE daily_reset_mode AS ENUM ('fixed', 'rolling');
CREATE TYPE notification_type AS ENUM ('circuit_breaker', 'daily_leaderboard', 'cost_alert');
CREATE TYPE webhook_provider_type AS ENUM ('wechat', 'feishu', 'dingtalk', 'telegram', 'custom');

CREATE TABLE users (
  id serial PRIMARY KEY,
  name varchar NOT NULL,
  description text,
  role varchar DEFAULT 'user',
  rpm_limit integer,
  daily_limit_usd numeric(10,2),
  provider_group varchar(50) DEFAULT 'default',
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  deleted_at timestamptz,
  limit_5h_usd numeric(10,2),
  limit_weekly_usd numeric(10,2),
  limit_monthly_usd numeric(10,2),
  limit_concurrent_sessions integer,
  tags jsonb DEFAULT '[]',
  limit_total_usd numeric(10,2),
  is_enabled boolean DEFAULT true NOT NULL,
  expires_at timestamptz,
  allowed_clients jsonb DEFAULT '[]',
  daily_reset_mode daily_reset_mode DEFAULT 'fixed' NOT NULL,
  daily_reset_time varchar(5) DEFAULT '00:00' NOT NULL,
  allowed_models jsonb DEFAULT '[]'
);
CREATE INDEX idx_users_active_role_sort ON users (deleted_at, role, id) WHERE deleted_at IS NULL;
CREATE INDEX idx_users_created_at ON users (created_at);
CREATE INDEX idx_users_deleted_at ON users (deleted_at);
CREATE INDEX idx_users_enabled_expires_at ON users (is_enabled, expires_at) WHERE deleted_at IS NULL;

CREATE TABLE keys (
  id serial PRIMARY KEY,
  user_id integer NOT NULL,
  key varchar NOT NULL,
  name varchar NOT NULL,
  is_enabled boolean DEFAULT true,
  expires_at timestamp,
  limit_5h_usd numeric(10,2),
  limit_weekly_usd numeric(10,2),
  limit_monthly_usd numeric(10,2),
  limit_concurrent_sessions integer DEFAULT 0,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  deleted_at timestamptz,
  can_login_web_ui boolean DEFAULT false,
  daily_reset_mode daily_reset_mode DEFAULT 'fixed' NOT NULL,
  limit_daily_usd numeric(10,2),
  daily_reset_time varchar(5) DEFAULT '00:00' NOT NULL,
  limit_total_usd numeric(10,2),
  provider_group varchar(50) DEFAULT 'default',
  cache_ttl_preference varchar(10)
);
CREATE INDEX idx_keys_created_at ON keys (created_at);
CREATE INDEX idx_keys_deleted_at ON keys (deleted_at);
CREATE INDEX idx_keys_user_id ON keys (user_id);

CREATE TABLE providers (
  id serial PRIMARY KEY,
  name varchar NOT NULL,
  description text,
  url varchar NOT NULL,
  key varchar NOT NULL,
  is_enabled boolean DEFAULT true NOT NULL,
  weight integer DEFAULT 1 NOT NULL,
  priority integer DEFAULT 0 NOT NULL,
  cost_multiplier numeric(10,4) DEFAULT 1.0,
  group_tag varchar(50),
  provider_type varchar(20) DEFAULT 'claude' NOT NULL,
  model_redirects jsonb,
  limit_5h_usd numeric(10,2),
  limit_weekly_usd numeric(10,2),
  limit_monthly_usd numeric(10,2),
  limit_concurrent_sessions integer DEFAULT 0,
  tpm integer DEFAULT 0,
  rpm integer DEFAULT 0,
  rpd integer DEFAULT 0,
  cc integer DEFAULT 0,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  deleted_at timestamptz,
  allowed_models jsonb DEFAULT 'null',
  join_claude_pool boolean DEFAULT false,
  circuit_breaker_failure_threshold integer DEFAULT 5,
  circuit_breaker_open_duration integer DEFAULT 1800000,
  circuit_breaker_half_open_success_threshold integer DEFAULT 2,
  proxy_url varchar(512),
  proxy_fallback_to_direct boolean DEFAULT false,
  codex_instructions_strategy varchar(20) DEFAULT 'auto',
  website_url text,
  favicon_url text,
  first_byte_timeout_streaming_ms integer DEFAULT 0 NOT NULL,
  streaming_idle_timeout_ms integer DEFAULT 0 NOT NULL,
  request_timeout_non_streaming_ms integer DEFAULT 0 NOT NULL,
  mcp_passthrough_type varchar(20) DEFAULT 'none' NOT NULL,
  mcp_passthrough_url varchar(512),
  daily_reset_mode daily_reset_mode DEFAULT 'fixed' NOT NULL,
  limit_daily_usd numeric(10,2),
  daily_reset_time varchar(5) DEFAULT '00:00' NOT NULL,
  max_retry_attempts integer,
  cache_ttl_preference varchar(10),
  preserve_client_ip boolean DEFAULT false NOT NULL,
  context_1m_preference varchar(20),
  limit_total_usd numeric(10,2),
  total_cost_reset_at timestamptz,
  codex_reasoning_effort_preference varchar(20),
  codex_reasoning_summary_preference varchar(20),
  codex_text_verbosity_preference varchar(10),
  codex_parallel_tool_calls_preference varchar(10)
);
CREATE INDEX idx_providers_created_at ON providers (created_at);
CREATE INDEX idx_providers_deleted_at ON providers (deleted_at);
CREATE INDEX idx_providers_enabled_priority ON providers (is_enabled, priority, weight) WHERE deleted_at IS NULL;
CREATE INDEX idx_providers_group ON providers (group_tag) WHERE deleted_at IS NULL;

CREATE TABLE message_request (
  id serial PRIMARY KEY,
  provider_id integer NOT NULL,
  user_id integer NOT NULL,
  key varchar NOT NULL,
  model varchar(128),
  duration_ms integer,
  cost_usd numeric(21,15) DEFAULT '0',
  provider_chain jsonb,
  status_code integer,
  api_type varchar(20),
  input_tokens integer,
  output_tokens integer,
  cache_creation_input_tokens integer,
  cache_read_input_tokens integer,
  error_message text,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  deleted_at timestamptz,
  session_id varchar(64),
  blocked_by varchar(50),
  blocked_reason text,
  cost_multiplier numeric(10,4),
  original_model varchar(128),
  user_agent varchar(512),
  messages_count integer,
  endpoint varchar(256),
  cache_creation_5m_input_tokens integer,
  cache_creation_1h_input_tokens integer,
  cache_ttl_applied varchar(10),
  request_sequence integer DEFAULT 1,
  context_1m_applied boolean DEFAULT false,
  error_stack text,
  error_cause text,
  ttfb_ms integer,
  special_settings jsonb
);
CREATE INDEX idx_message_request_blocked_by ON message_request (blocked_by) WHERE deleted_at IS NULL;
CREATE INDEX idx_message_request_created_at ON message_request (created_at);
CREATE INDEX idx_message_request_cursor ON message_request (created_at DESC, id DESC);
CREATE INDEX idx_message_request_deleted_at ON message_request (deleted_at);
CREATE INDEX idx_message_request_endpoint ON message_request (endpoint) WHERE deleted_at IS NULL;
CREATE INDEX idx_message_request_key ON message_request (key);
CREATE INDEX idx_message_request_provider_id ON message_request (provider_id);
CREATE INDEX idx_message_request_session_id ON message_request (session_id) WHERE deleted_at IS NULL;
CREATE INDEX idx_message_request_session_seq ON message_request (session_id, request_sequence) WHERE deleted_at IS NULL;
CREATE INDEX idx_message_request_user_date_cost ON message_request (user_id, created_at, cost_usd) WHERE deleted_at IS NULL;
CREATE INDEX idx_message_request_user_id ON message_request (user_id);
CREATE INDEX idx_message_request_user_query ON message_request (user_id, created_at) WHERE deleted_at IS NULL;

CREATE TABLE model_prices (
  id serial PRIMARY KEY,
  model_name varchar NOT NULL,
  price_data jsonb NOT NULL,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);
CREATE INDEX idx_model_prices_created_at ON model_prices (created_at DESC NULLS LAST);
CREATE INDEX idx_model_prices_latest ON model_prices (model_name, created_at DESC NULLS LAST);
CREATE INDEX idx_model_prices_model_name ON model_prices (model_name);

CREATE TABLE error_rules (
  id serial PRIMARY KEY,
  pattern text NOT NULL,
  match_type varchar(20) DEFAULT 'regex' NOT NULL,
  category varchar(50) NOT NULL,
  description text,
  is_enabled boolean DEFAULT true NOT NULL,
  is_default boolean DEFAULT false NOT NULL,
  priority integer DEFAULT 0 NOT NULL,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  override_response jsonb,
  override_status_code integer
);
CREATE INDEX idx_category ON error_rules (category);
CREATE INDEX idx_error_rules_enabled ON error_rules (is_enabled, priority);
CREATE INDEX idx_match_type ON error_rules (match_type);
CREATE UNIQUE INDEX unique_pattern ON error_rules (pattern);

CREATE TABLE request_filters (
  id serial PRIMARY KEY,
  name varchar(100) NOT NULL,
  description text,
  scope varchar(20) NOT NULL,
  action varchar(30) NOT NULL,
  match_type varchar(20),
  target text NOT NULL,
  replacement jsonb,
  priority integer DEFAULT 0 NOT NULL,
  is_enabled boolean DEFAULT true NOT NULL,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  binding_type varchar(20) DEFAULT 'global' NOT NULL,
  provider_ids jsonb,
  group_tags jsonb
);
CREATE INDEX idx_request_filters_action ON request_filters (action);
CREATE INDEX idx_request_filters_binding ON request_filters (is_enabled, binding_type);
CREATE INDEX idx_request_filters_enabled ON request_filters (is_enabled, priority);
CREATE INDEX idx_request_filters_scope ON request_filters (scope);

CREATE TABLE sensitive_words (
  id serial PRIMARY KEY,
  word varchar(255) NOT NULL,
  match_type varchar(20) DEFAULT 'contains' NOT NULL,
  description text,
  is_enabled boolean DEFAULT true NOT NULL,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);
CREATE INDEX idx_sensitive_words_created_at ON sensitive_words (created_at);
CREATE INDEX idx_sensitive_words_enabled ON sensitive_words (is_enabled, match_type);

CREATE TABLE system_settings (
  id serial PRIMARY KEY,
  site_title varchar(128) DEFAULT 'Claude Code Hub' NOT NULL,
  allow_global_usage_view boolean DEFAULT false NOT NULL,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  currency_display varchar(10) DEFAULT 'USD' NOT NULL,
  enable_auto_cleanup boolean DEFAULT false,
  cleanup_retention_days integer DEFAULT 30,
  cleanup_schedule varchar(50) DEFAULT '0 2 * * *',
  cleanup_batch_size integer DEFAULT 10000,
  enable_client_version_check boolean DEFAULT false NOT NULL,
  billing_model_source varchar(20) DEFAULT 'original' NOT NULL,
  verbose_provider_error boolean DEFAULT false NOT NULL,
  enable_http2 boolean DEFAULT false NOT NULL,
  intercept_anthropic_warmup_requests boolean DEFAULT false NOT NULL
);

CREATE TABLE notification_settings (
  id serial PRIMARY KEY,
  enabled boolean DEFAULT false NOT NULL,
  circuit_breaker_enabled boolean DEFAULT false NOT NULL,
  circuit_breaker_webhook varchar(512),
  daily_leaderboard_enabled boolean DEFAULT false NOT NULL,
  daily_leaderboard_webhook varchar(512),
  daily_leaderboard_time varchar(10) DEFAULT '09:00',
  daily_leaderboard_top_n integer DEFAULT 5,
  cost_alert_enabled boolean DEFAULT false NOT NULL,
  cost_alert_webhook varchar(512),
  cost_alert_threshold numeric(5,2) DEFAULT 0.80,
  cost_alert_check_interval integer DEFAULT 60,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  use_legacy_mode boolean DEFAULT false NOT NULL
);

CREATE TABLE webhook_targets (
  id serial PRIMARY KEY,
  name varchar(100) NOT NULL,
  provider_type webhook_provider_type NOT NULL,
  webhook_url varchar(1024),
  telegram_bot_token varchar(256),
  telegram_chat_id varchar(64),
  dingtalk_secret varchar(256),
  custom_template jsonb,
  custom_headers jsonb,
  proxy_url varchar(512),
  proxy_fallback_to_direct boolean DEFAULT false,
  is_enabled boolean DEFAULT true NOT NULL,
  last_test_at timestamptz,
  last_test_result jsonb,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);

CREATE TABLE notification_target_bindings (
  id serial PRIMARY KEY,
  notification_type notification_type NOT NULL,
  target_id integer NOT NULL CONSTRAINT notification_target_bindings_target_id_webhook_targets_id_fk REFERENCES webhook_targets (id) ON DELETE CASCADE,
  is_enabled boolean DEFAULT true NOT NULL,
  schedule_cron varchar(100),
  schedule_timezone varchar(50) DEFAULT 'Asia/Shanghai',
  template_override jsonb,
  created_at timestamptz DEFAULT now()
);
CREATE INDEX idx_notification_bindings_target ON notification_target_bindings (target_id, is_enabled);
CREATE INDEX idx_notification_bindings_type ON notification_target_bindings (notification_type, is_enabled);
CREATE UNIQUE INDEX unique_notification_target_binding ON notification_target_bindings (notification_type, target_id);
