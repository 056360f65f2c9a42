/**
 * Money: price tables, what an answer cost, what a request can cost at most.
 * Words: a *rate* is USD per unit; a *price* is all rates of one model; *nanos* are whole 1e-9 USD, the unit of counters.
 * Pure: no clock, no I/O, no floats between text and text. It does not know where prices or usage come from.
 */
export { cost, COST_SCALE } from './cost.ts';
export type { Cost, CostInput, CostLine, CostPart } from './cost.ts';
export { affordableOutput, maximumCost } from './maximum.ts';
export type { MaximumInput } from './maximum.ts';
export { parseMultiplier, MULTIPLIER_SCALE } from './multiplier.ts';
export { NANOS_PER_USD, nanosToUsd, usdToNanos } from './nanos.ts';
export { parsePrice, priceFor, RATE_SCALE } from './price.ts';
export type { ModelPrice, Rate } from './price.ts';
