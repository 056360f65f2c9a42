-- What the hub adds to the schema of v0.3.42. Nothing here rewrites a table or changes what the older service sees, so
-- that both can run on one database.

-- Keys are found by hash, and may be sealed at rest.
ALTER TABLE keys
  ADD COLUMN key_hash bytea,
  ADD COLUMN budget_enforcement varchar(4);
CREATE UNIQUE INDEX idx_keys_key_hash ON keys (key_hash) WHERE key_hash IS NOT NULL AND deleted_at IS NULL;

ALTER TABLE users ADD COLUMN budget_enforcement varchar(4);

ALTER TABLE providers ADD COLUMN on_client_abort varchar(10);

ALTER TABLE system_settings
  ADD COLUMN budget_enforcement varchar(4) NOT NULL DEFAULT 'soft',
  ADD COLUMN enable_format_conversion boolean NOT NULL DEFAULT true,
  ADD COLUMN max_request_body_bytes bigint NOT NULL DEFAULT 33554432;

-- Budgets below a cent. Values keep the two decimals that they were stored with, and PostgreSQL only edits its catalogue.
ALTER TABLE users
  ALTER COLUMN limit_5h_usd TYPE numeric,
  ALTER COLUMN daily_limit_usd TYPE numeric,
  ALTER COLUMN limit_weekly_usd TYPE numeric,
  ALTER COLUMN limit_monthly_usd TYPE numeric,
  ALTER COLUMN limit_total_usd TYPE numeric;
ALTER TABLE keys
  ALTER COLUMN limit_5h_usd TYPE numeric,
  ALTER COLUMN limit_daily_usd TYPE numeric,
  ALTER COLUMN limit_weekly_usd TYPE numeric,
  ALTER COLUMN limit_monthly_usd TYPE numeric,
  ALTER COLUMN limit_total_usd TYPE numeric;
ALTER TABLE providers
  ALTER COLUMN limit_5h_usd TYPE numeric,
  ALTER COLUMN limit_daily_usd TYPE numeric,
  ALTER COLUMN limit_weekly_usd TYPE numeric,
  ALTER COLUMN limit_monthly_usd TYPE numeric,
  ALTER COLUMN limit_total_usd TYPE numeric;

ALTER TABLE message_request
  ADD COLUMN record_id uuid,
  ADD COLUMN key_id integer,
  ADD COLUMN usage_estimated boolean NOT NULL DEFAULT false,
  ADD COLUMN client_dialect varchar(10),
  ADD COLUMN config_version varchar(100);
CREATE UNIQUE INDEX idx_message_request_record_id ON message_request (record_id);
CREATE INDEX idx_message_request_key_id ON message_request (key_id, created_at);

CREATE TABLE hub_meta (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  instance_id uuid NOT NULL DEFAULT gen_random_uuid(),
  created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO hub_meta DEFAULT VALUES;

CREATE TABLE hub_audit_log (
  id bigserial PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  actor_kind varchar(20) NOT NULL,
  actor_id integer,
  actor_name text,
  action varchar(100) NOT NULL,
  entity varchar(30) NOT NULL,
  entity_id integer,
  before jsonb,
  after jsonb,
  request_ip varchar(64)
);
CREATE INDEX idx_hub_audit_log_entity ON hub_audit_log (entity, entity_id, id);

CREATE TABLE hub_usage_rollup (
  bucket timestamptz NOT NULL,
  user_id integer NOT NULL,
  key_id integer NOT NULL DEFAULT 0,
  provider_id integer NOT NULL,
  model varchar(128) NOT NULL DEFAULT '',
  original_model varchar(128) NOT NULL DEFAULT '',
  requests integer NOT NULL DEFAULT 0,
  errors integer NOT NULL DEFAULT 0,
  success integer NOT NULL DEFAULT 0,
  cost numeric(38,15) NOT NULL DEFAULT 0,
  input_tokens bigint NOT NULL DEFAULT 0,
  output_tokens bigint NOT NULL DEFAULT 0,
  cache_creation_input_tokens bigint NOT NULL DEFAULT 0,
  cache_creation_5m_input_tokens bigint NOT NULL DEFAULT 0,
  cache_creation_1h_input_tokens bigint NOT NULL DEFAULT 0,
  cache_read_input_tokens bigint NOT NULL DEFAULT 0,
  duration_ms_sum bigint NOT NULL DEFAULT 0,
  duration_count integer NOT NULL DEFAULT 0,
  PRIMARY KEY (bucket, user_id, key_id, provider_id, model, original_model)
);
-- What one user, key or provider spent since a moment: asked whenever counters are rebuilt and by every statistic.
CREATE INDEX idx_hub_usage_rollup_user ON hub_usage_rollup (user_id, bucket);
CREATE INDEX idx_hub_usage_rollup_key ON hub_usage_rollup (key_id, bucket);
CREATE INDEX idx_hub_usage_rollup_provider ON hub_usage_rollup (provider_id, bucket);

CREATE TABLE hub_node (
  node_id varchar PRIMARY KEY,
  software_version varchar NOT NULL,
  serving_version varchar,
  last_seen timestamptz NOT NULL,
  last_nack jsonb
);

-- Every change of configuration, by whatever program, leaves a row here and wakes whoever listens on hub_config_change.
CREATE TABLE hub_config_change (
  revision bigserial PRIMARY KEY,
  entity varchar(30) NOT NULL,
  entity_id integer, -- null: all rows of the entity (TRUNCATE)
  at timestamptz NOT NULL DEFAULT now()
);

-- A sequence hands out numbers in the order of asking, transactions commit in any order, and a reader that has seen
-- revision 8 would never look for a 7 that commits later. So a transaction holds this lock from its first change of
-- configuration to its end. It is taken before any row is locked, which keeps it out of deadlocks with row locks.
CREATE FUNCTION hub_config_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(6845794); -- "hub"
  RETURN NULL;
END
$$;

-- With the owner's rights, so that a role that may only write the configuration tables is seen too.
CREATE FUNCTION hub_config_log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    INSERT INTO hub_config_change (entity) VALUES (TG_ARGV[0]);
    RETURN NULL;
  END IF;
  IF TG_OP = 'UPDATE' AND NEW *= OLD THEN
    RETURN NULL;
  END IF;
  INSERT INTO hub_config_change (entity, entity_id) VALUES (TG_ARGV[0], coalesce(NEW.id, OLD.id));
  IF TG_OP = 'UPDATE' AND NEW.id <> OLD.id THEN
    INSERT INTO hub_config_change (entity, entity_id) VALUES (TG_ARGV[0], OLD.id);
  END IF;
  RETURN NULL;
END
$$;

CREATE FUNCTION hub_config_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('hub_config_change', '');
  RETURN NULL;
END
$$;

DO $$
DECLARE
  watched record;
BEGIN
  FOR watched IN
    SELECT * FROM (VALUES
      ('users', 'user'),
      ('keys', 'key'),
      ('providers', 'provider'),
      ('model_prices', 'price'),
      ('system_settings', 'settings'),
      ('error_rules', 'error_rule'),
      ('request_filters', 'request_filter'),
      ('sensitive_words', 'sensitive_word')
    ) AS pairs (relation, entity)
  LOOP
    EXECUTE format('CREATE TRIGGER hub_config_lock BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION hub_config_lock()', watched.relation);
    EXECUTE format('CREATE TRIGGER hub_config_log AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION hub_config_log(%L)', watched.relation, watched.entity);
    EXECUTE format('CREATE TRIGGER hub_config_log_truncate AFTER TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION hub_config_log(%L)', watched.relation, watched.entity);
    EXECUTE format('CREATE TRIGGER hub_config_notify AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION hub_config_notify()', watched.relation);
  END LOOP;
END
$$;
