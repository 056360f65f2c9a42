/** In whose form a list of models is written. */
export type ModelListShape = 'openai' | 'anthropic' | 'gemini';

/** OpenAI's `owned_by`, by the prefix of the id. */
const owners: readonly (readonly [prefix: string, owner: string])[] = [
  ['claude-', 'anthropic'],
  ['gpt-', 'openai'],
  ['o1', 'openai'],
  ['o3', 'openai'],
  ['gemini-', 'google'],
  ['deepseek', 'deepseek'],
  ['qwen', 'alibaba'],
];

/** The answer to a request for the list of models, ids in the given order. `nowSeconds` stands in for their creation time. */
export function encodeModelList(shape: ModelListShape, ids: readonly string[], nowSeconds: number): Record<string, unknown> {
  switch (shape) {
    case 'openai':
      return { object: 'list', data: ids.map((id) => ({ id, object: 'model', created: nowSeconds, owned_by: modelOwner(id) })) };
    case 'anthropic': {
      const createdAt = new Date(nowSeconds * 1000).toISOString();
      return { data: ids.map((id) => ({ id, type: 'model', display_name: id, created_at: createdAt })), has_more: false };
    }
    case 'gemini':
      return {
        models: ids.map((id) => ({ name: `models/${id}`, displayName: id, supportedGenerationMethods: ['generateContent'] })),
      };
  }
}

function modelOwner(id: string): string {
  return owners.find(([prefix]) => id.startsWith(prefix))?.[1] ?? 'unknown';
}
