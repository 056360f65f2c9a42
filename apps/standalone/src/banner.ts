/** What is told once both planes serve. */
export interface Ready {
  readonly dataPlaneUrl: string;
  readonly controlPlaneUrl: string;
  /** Unset if it was given in ADMIN_TOKEN, whose owner knows it. */
  readonly adminToken?: string;
  readonly demoKey?: string;
}

/** The block for people: addresses, keys, and lines to paste. */
export function readyBlock(ready: Ready, dataFolder: string): string {
  const { dataPlaneUrl, controlPlaneUrl, adminToken, demoKey } = ready;
  const key = demoKey ?? 'YOUR_HUB_KEY';
  const lines = [
    '',
    'Claude Code Hub is running. Ctrl-C stops it.',
    '',
    `  for AI tools    ${dataPlaneUrl}`,
    `  management API  ${controlPlaneUrl}/api/actions/docs`,
    `  admin token     ${adminToken ?? '(the one in ADMIN_TOKEN)'}`,
    `  demo key        ${demoKey ?? '(none: add a user, a key and a provider, see README.md)'}`,
    `  data folder     ${dataFolder}`,
    '',
    'Try it with curl:',
    '',
    `  curl ${dataPlaneUrl}/v1/messages -H 'x-api-key: ${key}' -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' -d '{"model":"claude-sonnet-5-5","max_tokens":1024,"messages":[{"role":"user","content":"Hello, who are you?"}]}'`,
    '',
    'With Claude Code, Codex or Gemini CLI:',
    '',
    `  ANTHROPIC_BASE_URL=${dataPlaneUrl} ANTHROPIC_AUTH_TOKEN=${key} claude`,
    `  HUB_KEY=${key} codex -c model_provider=hub -c 'model_providers.hub={name="hub",base_url="${dataPlaneUrl}/v1",env_key="HUB_KEY",wire_api="responses"}'`,
    `  GOOGLE_GEMINI_BASE_URL=${dataPlaneUrl} GEMINI_API_KEY=${key} gemini`,
    '',
  ];
  return lines.join('\n');
}

/** The line for programs: always the last one. */
export function readyLine(ready: Ready): string {
  return `hub ready ${JSON.stringify(ready)}`;
}
