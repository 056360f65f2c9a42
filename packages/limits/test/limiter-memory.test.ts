import { limiterContract } from './limiter.contract.ts';
import { memoryBackend } from './world.ts';

limiterContract('limits in memory', async () => memoryBackend());
