// A real OpenID provider for tests: any user, any password. Its one argument is JSON: issuer, port, clients, tokenSeconds,
// kid, resource, padding.
// It says `ready` once it listens.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const settings = JSON.parse(process.argv[2]);
const require = createRequire(`${settings.modules}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const seconds = settings.tokenSeconds ?? 3600;

const provider = new Provider(settings.issuer, {
  clients: settings.clients,
  clientDefaults: { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] },
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: settings.kid ?? 'one' }] },
  cookies: { keys: ['only of tests'] },
  conformIdTokenClaims: false,
  claims: { openid: ['sub', 'padding'], email: ['email'] },
  scopes: ['openid', 'offline_access', 'email'],
  features: {
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: Boolean(settings.resource),
      defaultResource: () => settings.resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: '', audience: settings.resource, accessTokenFormat: 'jwt' }),
    },
  },
  ttl: { AccessToken: seconds, IdToken: seconds, RefreshToken: 86400, Session: 86400, Grant: 86400, Interaction: 600 },
  issueRefreshToken: () => true,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.com`, padding: 'x'.repeat(settings.padding ?? 0) }) }),
});
provider.on('server_error', (_, error) => console.error(error));
createServer(provider.callback()).listen(settings.port, '127.0.0.1', () => console.log('ready'));
