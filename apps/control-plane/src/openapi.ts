import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject } from 'zod-openapi';
import { csvFile } from './http/download.ts';
import { noData, type Operation, tags } from './operation.ts';

/** The OpenAPI 3.1 document, made from the declarations of the operations. */

const failure = z
  .object({
    ok: z.literal(false),
    error: z.string().meta({ description: 'a sentence for people' }),
    errorCode: z.string().optional().meta({ description: 'for programs' }),
    errorParams: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  })
  .meta({ id: 'Failure' });

const schemaFailure = z
  .object({
    success: z.literal(false),
    error: z.object({ name: z.literal('ZodError'), message: z.string().meta({ description: 'the issues, as the text of a JSON array' }) }),
  })
  .meta({ id: 'SchemaFailure' });

function json(description: string, schema: z.ZodType) {
  return { description, content: { 'application/json': { schema } } };
}

function describe(operation: Operation): ZodOpenApiOperationObject {
  const success = operation.output === noData ? z.object({ ok: z.literal(true) }) : z.object({ ok: z.literal(true), data: operation.output });
  const whose = { admin: 'Admins only.', user: 'Any key that may use the management interface.', readonly: 'Any valid key.' };
  return {
    operationId: `${operation.module}.${operation.action}`,
    summary: operation.summary,
    description: whose[operation.role],
    tags: [operation.tag],
    security: [{ cookieAuth: [] }, { bearerAuth: [] }],
    requestBody: { required: true, content: { 'application/json': { schema: operation.body } } },
    responses: {
      '200': operation.output === csvFile ? { description: 'A file', content: { 'text/csv': { schema: csvFile } } } : json('Done', success),
      '400': json('Not done; malformed JSON is answered as text', z.union([failure, schemaFailure])),
      '401': json('No credential, or one that is not valid here', failure),
      '403': json('Not with this credential', failure),
      '500': json('Something went wrong on the server', failure),
    },
  };
}

const description = `Everything is \`POST /api/actions/{module}/{action}\` with a JSON object as its body.

Authenticate with the cookie \`auth-token\` (set by \`POST /api/auth/login\`) or with \`Authorization: Bearer\`: the admin token
or a hub key.

Answers are \`{"ok":true,"data":…}\` or \`{"ok":false,"error":…,"errorCode":…}\`. Sentences follow \`Accept-Language\`
(zh-CN, en).`;

/** @param appUrl where the API is reached from outside; undefined: wherever the document was fetched from */
export function openApiDocument(operations: readonly Operation[], appUrl: string | undefined): object {
  const used = tags.filter((tag) => operations.some((operation) => operation.tag === tag));
  const document = {
    openapi: '3.1.0' as const,
    info: {
      title: 'Claude Code Hub API',
      version: '1.0.0',
      description,
      contact: { name: 'Claude Code Hub' },
      license: { name: 'MIT License', url: 'https://opensource.org/license/mit' },
    },
    servers: [{ url: appUrl ?? '/' }],
    tags: used.map((name) => ({ name })),
    externalDocs: { description: 'Browse the API', url: '/api/actions/docs' },
    paths: Object.fromEntries(
      operations.map((operation) => [`/api/actions/${operation.module}/${operation.action}`, { post: describe(operation) }]),
    ),
    components: {
      securitySchemes: {
        cookieAuth: { type: 'apiKey' as const, in: 'cookie' as const, name: 'auth-token' },
        bearerAuth: { type: 'http' as const, scheme: 'bearer', bearerFormat: 'API Key' },
      },
    },
  };
  // Answers may grow fields; a client made from this document must not mind.
  return createDocument(document, {
    override: ({ jsonSchema, io }) => {
      if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
}
