/** Real parts for tests: a scripted provider, throwaway Redis and PostgreSQL, both planes as processes, recordings. */
export { fakeClock, type FakeClock } from './clock.ts';
export { compareJson, type CompareOptions } from './compare-json.ts';
export { type Deferred, deferred } from './deferred.ts';
export { eventually } from './eventually.ts';
export { freePort } from './free-port.ts';
export { golden, goldenAvailable, goldenFolder, goldenJson, goldenNames, type Recording } from './golden.ts';
export { ActionError, type RawAnswer } from './hub/admin-client.ts';
export { type CreatedKey, type CreatedProvider, type CreatedUser, type Hub, type HubOptions, type MessageRow, type PlaneName, type SendOptions, startHub } from './hub/hub.ts';
export { type PlaneOptions, PlaneProcess, type Ports } from './hub/plane-process.ts';
export { type TestDatabase, testDatabase } from './postgres.ts';
export { redisAvailable, redisClusterAvailable, redisControllable, startRedis, type TestRedis } from './redis.ts';
export { type Answer, errorBody, eventStream, healthyAnswer, json } from './upstream/answer.ts';
export { anthropicBody, anthropicStream } from './upstream/anthropic.ts';
export {
  type Behaviour,
  brotli,
  cutAfter,
  cutConnection,
  emptyBody,
  errorEventAfter,
  errorEventFirst,
  errorIn200,
  gzip,
  hangUp,
  healthy,
  htmlPage,
  never,
  redirect,
  say,
  splitAt,
  type Stall,
  stallAfter,
  status,
  type Steps,
  stepwise,
} from './upstream/behaviour.ts';
export { chatBody, chatStream, type ChatStreamOptions } from './upstream/chat.ts';
export { geminiArray, geminiBody, geminiStream } from './upstream/gemini.ts';
export { anthropicUsage, defaultText, manyPieces, openaiUsage, type Reply, type ReplyUsage, sse, type ToolCall } from './upstream/reply.ts';
export type { UpstreamDialect, UpstreamRequest } from './upstream/request.ts';
export { responsesBody, responsesStream } from './upstream/responses.ts';
export { type Handler, type ScriptedUpstream, startUpstream } from './upstream/scripted-upstream.ts';
