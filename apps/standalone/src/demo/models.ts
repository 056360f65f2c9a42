/** The models that the demo says it has: enough for a client's model picker. Any other name is answered too. */
const models = ['claude-haiku-4-5', 'claude-opus-5-5', 'claude-sonnet-5-5', 'gpt-5', 'gpt-5-mini', 'gemini-2.5-flash', 'gemini-2.5-pro'] as const;

const released = Date.UTC(2025, 9, 1);

/** @param shape whose list it is */
export function modelList(shape: 'anthropic' | 'gemini' | 'openai'): object {
  switch (shape) {
    case 'anthropic': {
      const data = only('claude-').map((id) => ({ type: 'model', id, display_name: id, created_at: new Date(released).toISOString() }));
      return { data, has_more: false, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
    }
    case 'gemini':
      return {
        models: only('gemini-').map((id) => ({
          name: `models/${id}`,
          displayName: id,
          supportedGenerationMethods: ['generateContent', 'countTokens'],
        })),
      };
    case 'openai':
      return { object: 'list', data: only('gpt-').map((id) => ({ id, object: 'model', created: released / 1000, owned_by: 'demo' })) };
  }
}

function only(prefix: string): readonly string[] {
  return models.filter((id) => id.startsWith(prefix));
}
