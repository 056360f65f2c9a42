import { systemClock } from '@hub/service';
import { golden, goldenAvailable } from '@hub/testkit';
import { describe, expect, it } from 'vitest';
import { openApiDocument } from '../src/openapi.ts';
import { allOperations } from '../src/operations.ts';

/** Clients are generated from this document: what it says of requests has to be what v0.3.42's said. */
type Schema = Readonly<Record<string, unknown>>;
interface Document {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly components: { readonly securitySchemes: object };
  readonly paths: Readonly<Record<string, { readonly post: { readonly security: unknown; readonly responses: object; readonly requestBody: RequestBody } }>>;
}
interface RequestBody {
  readonly content: { readonly 'application/json': { readonly schema: { readonly properties?: Record<string, Schema>; readonly required?: string[] } } };
}

describe.skipIf(!goldenAvailable)('the OpenAPI document', () => {
  const ours = openApiDocument(allOperations(systemClock), undefined) as Document;
  const recorded = (goldenAvailable ? golden('openapi', 'openapi-json').response.body : ours) as Document;

  it('is the same in what identifies it', () => {
    expect([ours.openapi, ours.info.title, ours.info.version]).toEqual([recorded.openapi, recorded.info.title, recorded.info.version]);
    expect(ours.components.securitySchemes).toMatchObject({
      cookieAuth: { type: 'apiKey', in: 'cookie', name: 'auth-token' },
      bearerAuth: { type: 'http', scheme: 'bearer', bearerFormat: 'API Key' },
    });
  });

  /** v0.3.42 had these for its own pages only. */
  const added = new Set([
    ...['terminateActiveSession', 'terminateActiveSessionsBatch'].map((action) => `/api/actions/active-sessions/${action}`),
    ...['exportUsageLogs', 'getEndpointList', 'getFilterOptions', 'getUsageLogsBatch', 'getUsageLogsStats'].map((action) => `/api/actions/usage-logs/${action}`),
  ]);

  for (const path of Object.keys(ours.paths).filter((candidate) => !added.has(candidate))) {
    it(`${path} asks for the same`, () => {
      const [now, then] = [ours.paths[path]?.post, recorded.paths[path]?.post];
      expect(Object.keys(now?.responses ?? {})).toEqual(Object.keys(then?.responses ?? {}));
      expect(now?.security).toEqual(then?.security);
      const [mine, theirs] = [now, then].map((operation) => operation?.requestBody.content['application/json'].schema);
      expect(mine?.required?.toSorted()).toEqual(theirs?.required?.toSorted());
      for (const [name, property] of Object.entries(theirs?.properties ?? {})) {
        expect(bounds(mine?.properties?.[name], name), `${path} ${name}`).toMatchObject(bounds(property, name));
      }
    });
  }
});

const compared = ['minimum', 'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems', 'enum', 'pattern', 'default'];

/** The limits of a value, whether null is written as a type or as an alternative. */
function bounds(schema: Schema | undefined, name: string): object {
  if (schema === undefined) return { missing: name };
  const [inner, ...others] = (Array.isArray(schema['anyOf']) ? (schema['anyOf'] as Schema[]) : [schema]).filter((alternative) => alternative['type'] !== 'null');
  // Alternatives of numbers are compared by the last one: 0, or within bounds.
  const merged: Schema = { ...inner, ...others.at(-1), ...(schema['default'] !== undefined && { default: schema['default'] }) };
  const pairs = compared.filter((key) => merged[key] !== undefined).map((key) => [key, merged[key]]);
  return normalise(Object.fromEntries(pairs) as Record<string, unknown>, merged);
}

/** OpenAPI 3.0's `exclusiveMinimum: true` is 3.1's `exclusiveMinimum: 0`; an enum may list null; a lone 0 is a constant. */
function normalise(found: Record<string, unknown>, schema: Schema): Record<string, unknown> {
  if (schema['exclusiveMinimum'] !== undefined) found['exclusive'] = 0;
  if (schema['exclusiveMinimum'] === true) delete found['minimum'];
  if (Array.isArray(found['enum'])) found['enum'] = found['enum'].filter((value) => value !== null);
  if (Array.isArray(found['enum']) && found['enum'].length === 1) delete found['enum'];
  if (found['maximum'] === Number.MAX_SAFE_INTEGER) delete found['maximum'];
  return found;
}
