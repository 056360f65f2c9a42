import { answerJson } from './answer.ts';
import type { AttemptContext } from './attempt.ts';
import { toFault } from './faults.ts';
import type { Gateway } from './gateway.ts';
import { planCandidates } from './plan.ts';
import { inputTokens } from './tokens/estimate.ts';
import { wantsContext1m } from './upstream/prepare.ts';

/**
 * How many tokens a request has. The provider is asked where it can say; where the model is served by way of another
 * dialect, or the provider has no such question (404), the hub counts by itself and says that it is an estimate.
 */
export async function countTokens(context: AttemptContext, gateway: Gateway, askProvider: () => Promise<void>): Promise<void> {
  const { exchange, outcome, plan } = context;
  if (plan.candidates.length > 0) {
    try {
      return await askProvider();
    } catch (error) {
      if (exchange.clientGone || toFault(error).status !== 503 || outcome.lastFailure?.status !== 404) throw error;
    }
  } else if (!servedByConversion(context, gateway)) {
    return askProvider();
  }
  const tokens = await inputTokens(outcome.start.request, gateway.tokenCounter);
  answerJson(exchange, 200, { input_tokens: tokens }, { 'x-hub-estimated': 'true' });
}

function servedByConversion({ outcome }: AttemptContext, gateway: Gateway): boolean {
  const { request, caller, snapshot } = outcome.start;
  if (!snapshot.settings.formatConversion) return false;
  const facts = { format: request.format, model: request.model, wantsContext1m: wantsContext1m(request), caller, bound: undefined, canConvert: true };
  return planCandidates(facts, snapshot, gateway.stateOf, Math.random).candidates.length > 0;
}
