// A certified OpenID provider (npm: oidc-provider) with three people, for the log-in tests.
// node provider.mjs MODULE PORT REDIRECT LOGOUT
const [module, port, redirect, logout] = process.argv.slice(2);
const { Provider } = await import(module);
const people = {
  anna: { email: 'anna@hospital.example', email_verified: true, name: 'Anna Muster', roles: ['research'] },
  bert: { email: 'bert@hospital.example', email_verified: false, name: 'Bert Beispiel', roles: ['research'] },
  carla: { email: 'carla@elsewhere.example', email_verified: true, name: 'Carla Exemple', roles: ['data'] },
};
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: 'mip',
      client_secret: 'a secret of the tests',
      redirect_uris: [redirect],
      response_types: ['code'],
      grant_types: ['authorization_code'],
      backchannel_logout_uri: logout,
      backchannel_logout_session_required: true,
    },
  ],
  pkce: { required: () => true },
  claims: { openid: ['sub', 'sid'], email: ['email', 'email_verified'], profile: ['name', 'roles'] },
  features: { backchannelLogout: { enabled: true } },
  findAccount: (_, id) =>
    people[id] && { accountId: id, claims: async () => ({ sub: id, ...people[id] }) },
  // Its own guard refuses loopback addresses, where the tests' platform listens.
  fetch: (address, options) => globalThis.fetch(address, { ...options, dispatcher: undefined }),
  cookies: { keys: ['a key of the tests'] },
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
