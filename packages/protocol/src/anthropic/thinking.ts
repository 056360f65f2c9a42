import type { ChatRequest, Effort, Turn } from '../chat.ts';
import type { DropLog } from '../drops.ts';
import type { Fields } from '../json.ts';
import type { EncodeContext } from '../protocol.ts';
import { isForced } from '../tools.ts';
import { anthropicTraits, budgetOfEffort, effortOfBudget, nearestEffort } from '../traits.ts';
import type { AnthropicTraits } from '../traits.ts';

/** The least that Anthropic accepts, tokens. */
const leastBudget = 1024;

export interface EncodedThinking {
  thinking: Fields | undefined;
  effort: Effort | undefined;
  /** Tokens, thinking included. */
  maxTokens: number;
}

/** `thinking`, `output_config.effort` and the `max_tokens` that goes with them. */
export function encodeThinking(request: ChatRequest, context: EncodeContext): EncodedThinking {
  const { drops } = context;
  const traits = anthropicTraits(context.targetModel);
  if (request.maxTokens === undefined) drops.add('max-tokens-default', 'max_tokens');
  const maxTokens = request.maxTokens ?? traits.defaultMaxTokens;
  const none: EncodedThinking = { thinking: undefined, effort: undefined, maxTokens };
  const { reasoning } = request;
  if (reasoning === undefined) return none;
  if (traits.thinking === 'none') {
    if (reasoning.mode !== 'off') drops.add('reasoning-unsupported', 'reasoning');
    return none;
  }
  if (reasoning.mode === 'off' || reasoning.effort === 'none') return { ...none, thinking: { type: 'disabled' } };
  if (isForced(request.toolChoice)) {
    drops.add('reasoning-forced-tool', 'tool_choice');
    return none;
  }
  if (traits.thinking === 'adaptive') return { ...none, thinking: { type: 'adaptive' }, effort: adaptiveEffort(request, traits, drops) };
  if (endsInUnsignedCall(request.turns, context)) {
    drops.add('reasoning-history', 'reasoning');
    return none;
  }
  return withBudget(request, maxTokens, drops);
}

function adaptiveEffort(request: ChatRequest, traits: AnthropicTraits, drops: DropLog): Effort | undefined {
  const { effort, budget } = request.reasoning ?? {};
  if (effort === undefined && budget === undefined) return undefined;
  const wanted = effort ?? effortOfBudget(budget ?? 0);
  const chosen = nearestEffort(wanted, traits.efforts);
  if (effort === undefined) drops.add('reasoning-budget', 'reasoning');
  else if (chosen !== wanted) drops.add('reasoning-effort', 'reasoning');
  return chosen;
}

function withBudget(request: ChatRequest, maxTokens: number, drops: DropLog): EncodedThinking {
  const { effort, budget } = request.reasoning ?? {};
  if (budget === undefined) drops.add('reasoning-effort', 'reasoning');
  const wanted = Math.max(budget ?? budgetOfEffort(effort ?? 'medium'), leastBudget);
  if (request.maxTokens === undefined) {
    return { thinking: { type: 'enabled', budget_tokens: wanted }, effort: undefined, maxTokens: Math.max(maxTokens, wanted + leastBudget) };
  }
  // The client's ceiling is never raised, a budget may be reserved on it; so thinking gives way.
  if (maxTokens <= leastBudget) {
    drops.add('reasoning-short', 'max_tokens');
    return { thinking: undefined, effort: undefined, maxTokens };
  }
  const fitting = Math.max(Math.min(wanted, Math.floor(maxTokens * 0.8)), leastBudget);
  if (fitting !== wanted) drops.add('reasoning-budget-lowered', 'max_tokens');
  return { thinking: { type: 'enabled', budget_tokens: fitting }, effort: undefined, maxTokens };
}

/**
 * The conversation stands in the middle of tool calls that another provider's reasoning, or none, led to. Models that think
 * by budget refuse such a turn unless it begins with their own signed thinking.
 */
function endsInUnsignedCall(turns: readonly Turn[], context: EncodeContext): boolean {
  const last = turns.findLastIndex((turn) => turn.role === 'assistant');
  const after = turns[last + 1];
  if (last < 0 || after?.parts.some((part) => part.type === 'tool-result') !== true) return false;
  const signed = turns[last]?.parts.find((part) => part.type === 'reasoning' || part.type === 'tool-call');
  return !(signed?.type === 'reasoning' && context.sameProvider && signed.seal?.origin === 'anthropic');
}

/** Temperature, top_p and top_k, as far as the model and its thinking let them be set. */
export function encodeSampling(request: ChatRequest, body: Fields, thinking: unknown, context: EncodeContext): void {
  const { drops } = context;
  const { sampling } = anthropicTraits(context.targetModel);
  const { temperature, topP, topK } = request;
  if (temperature === undefined && topP === undefined && topK === undefined) return;
  if (sampling === 'none') {
    if (temperature !== 1 || topP !== undefined || topK !== undefined) drops.add('sampling-unsupported', 'temperature');
    return;
  }
  if (thinking === 'enabled' || thinking === 'adaptive') {
    if ((temperature ?? 1) !== 1 || topK !== undefined || (topP ?? 1) < 0.95) drops.add('sampling-thinking', 'temperature');
    if (topP !== undefined && topP >= 0.95 && topP <= 1) body.top_p = topP;
    return;
  }
  encodePlainSampling(request, body, sampling, drops);
}

function encodePlainSampling({ temperature, topP, topK }: ChatRequest, body: Fields, sampling: AnthropicTraits['sampling'], drops: DropLog): void {
  if (temperature !== undefined) {
    // OpenAI's and Gemini's scales end at 2.
    if (temperature > 1) drops.add('temperature-range', 'temperature');
    body.temperature = Math.min(Math.max(temperature, 0), 1);
  }
  if (topP !== undefined) {
    if (sampling === 'one' && temperature !== undefined) drops.add('top-p-with-temperature', 'top_p');
    else body.top_p = Math.min(Math.max(topP, 0), 1);
  }
  if (topK !== undefined) body.top_k = Math.max(Math.trunc(topK), 0);
}
