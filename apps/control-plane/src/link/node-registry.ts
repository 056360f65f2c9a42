import type { Logger } from '@hub/service';
import type { Pool } from 'pg';

export interface Refusal {
  readonly version: string;
  readonly reason: string;
  /** Epoch ms. */
  readonly at: number;
}

/** A data plane as admins see it. */
export interface NodeStatus {
  readonly nodeId: string;
  readonly softwareVersion: string;
  /** Empty = it serves nothing yet. */
  readonly servingVersion: string;
  /** Epoch ms. */
  readonly lastSeen: number;
  /** It has a stream to this control plane; another control plane may have one if not. */
  readonly connected: boolean;
  /** Its newest refusal of a version, until it accepts one. */
  readonly lastRefusal: Refusal | undefined;
}

type NodeReport = Omit<NodeStatus, 'lastSeen'>;

/** Which data planes there are: in memory for this control plane, in hub_node for all. */
export interface NodeRegistry {
  /**
   * Notes the state of a node; written to the database within a second.
   * @param source the stream that says so: the end of an old stream says nothing about a node that is back on a new one
   */
  report(node: NodeReport, source: object): void;
  /** Every node that any control plane has seen within the last week. */
  list(): Promise<readonly NodeStatus[]>;
  /** Writes what is not written yet. */
  close(): Promise<void>;
}

const flushMs = 1_000;
/** A connected node is marked as seen at least this often. */
const heartbeatMs = 30_000;
/** A node that left is then known from the database only. */
const forgetMs = 10 * 60_000;

interface NodeRow {
  readonly node_id: string;
  readonly software_version: string | null;
  readonly serving_version: string | null;
  readonly seen_ms: string;
  readonly last_nack: Refusal | null;
}

export function createNodeRegistry(pool: Pool, log: Logger): NodeRegistry {
  const nodes = new Map<string, NodeStatus>();
  const sources = new Map<string, object>();
  const unwritten = new Set<string>();
  let writing: Promise<void> | undefined;

  const write = async (): Promise<void> => {
    const rows = [...unwritten].flatMap((id) => nodes.get(id) ?? []);
    unwritten.clear();
    if (rows.length === 0) return;
    try {
      await pool.query(
        `INSERT INTO hub_node (node_id, software_version, serving_version, last_seen, last_nack)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[])
         ON CONFLICT (node_id) DO UPDATE SET software_version = excluded.software_version, serving_version = excluded.serving_version,
           last_seen = greatest(hub_node.last_seen, excluded.last_seen), last_nack = excluded.last_nack`,
        [
          rows.map((row) => row.nodeId),
          rows.map((row) => row.softwareVersion),
          rows.map((row) => row.servingVersion),
          rows.map((row) => new Date(row.lastSeen)),
          rows.map((row) => (row.lastRefusal === undefined ? null : JSON.stringify(row.lastRefusal))),
        ],
      );
    } catch (error) {
      for (const row of rows) unwritten.add(row.nodeId);
      log.debug({ err: error }, 'could not write the state of the data planes; it is tried again');
    }
  };
  const flush = (): Promise<void> => {
    writing ??= write().finally(() => {
      writing = undefined;
    });
    return writing;
  };

  const timer = setInterval(() => {
    const now = Date.now();
    for (const [id, node] of nodes) {
      if (node.connected && now - node.lastSeen >= heartbeatMs) {
        nodes.set(id, { ...node, lastSeen: now });
        unwritten.add(id);
      } else if (!node.connected && now - node.lastSeen >= forgetMs) {
        nodes.delete(id);
        sources.delete(id);
      }
    }
    void flush();
  }, flushMs);

  return {
    report(node, source) {
      if (!node.connected && sources.get(node.nodeId) !== source) return;
      sources.set(node.nodeId, source);
      nodes.set(node.nodeId, { ...node, lastSeen: Date.now() });
      unwritten.add(node.nodeId);
    },
    async list() {
      const { rows } = await pool.query<NodeRow>(
        `SELECT node_id, software_version, serving_version, (extract(epoch FROM last_seen) * 1000)::bigint::text AS seen_ms, last_nack
         FROM hub_node WHERE last_seen > now() - interval '7 days'`,
      );
      const all = new Map(rows.map((row) => [row.node_id, statusOf(row)]));
      for (const [id, node] of nodes) {
        const other = all.get(id);
        if (node.connected || other === undefined || other.lastSeen <= node.lastSeen) all.set(id, node);
      }
      return [...all.values()].toSorted((left, right) => (left.nodeId < right.nodeId ? -1 : 1));
    },
    async close() {
      clearInterval(timer);
      await flush();
      await flush();
    },
  };
}

function statusOf(row: NodeRow): NodeStatus {
  return {
    nodeId: row.node_id,
    softwareVersion: row.software_version ?? '',
    servingVersion: row.serving_version ?? '',
    lastSeen: Number(row.seen_ms),
    connected: false,
    lastRefusal: row.last_nack ?? undefined,
  };
}
