import type { Provider } from '@hub/contract';

/** The model that a provider is asked for: its map's entry of exactly this name, or the name itself. */
export function redirected(model: string | undefined, provider: Provider): string | undefined {
  return model === undefined ? undefined : (provider.modelRedirects.get(model) ?? model);
}
