import type { components } from './schema';

type Schemas = components['schemas'];
export type ModelEntry = Schemas['ModelEntry'];
export type ModelTree = Schemas['ModelTree'];
export type Group = Schemas['Group'];
export type Variable = Schemas['Variable'];
export type DatasetEntry = Schemas['DatasetEntry'];
export type AlgorithmEntry = Schemas['AlgorithmEntry'];
export type Fit = Schemas['Fit'];
export type Request = Schemas['Request'];
export type Analysis = Schemas['Analysis'];
export type Validation = NonNullable<Request['validation']>;
export type Preparation = Schemas['Preparation'];
export type InputData = Schemas['InputData'];
export type Experiment = Schemas['SeenExperiment'];
export type ListedExperiment = Schemas['ListedExperiment'];
export type Difference = Schemas['Difference'];
export type TablePair = Schemas['TablePair'];
export type Comment = Schemas['Comment'];
export type Sharing = Schemas['Sharing'];
export type Colleague = Schemas['Colleague'];
export type Methods = Schemas['Methods'];
export type WriteUp = Schemas['WriteUp'];
export type Summary = Schemas['Summary'];
export type State = Schemas['State'];
export type ExperimentPage = Schemas['ExperimentPage'];
export type Outcome = Schemas['Outcome'];
export type TableView = Schemas['Table'];
export type ChartView = Schemas['Chart'];
export type CohortCount = Schemas['CohortCount'];
export type CohortFlow = Schemas['CohortFlow'];
export type SiteEntry = Schemas['SiteEntry'];
export type Visit = Schemas['Visit'];
export type Person = Schemas['Person'];
export type Role = Schemas['Role'];
export type Right = Schemas['Right'];
export type Session = Schemas['Session'];
export type Token = Schemas['Token'];
export type Admission = Schemas['Admission'];
export type AllowedEntry = Schemas['Entry'];
export type FederationSelf = Schemas['FederationSelf'];
export type AskedRequest = Schemas['AskedRequest'];
export type MemberEntry = Schemas['MemberEntry'];
export type PlacedVariable = Schemas['PlacedVariable'];
export type Problem = Schemas['ProblemAnswer'];

/** A problem answer of the API, or what kept it from answering. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

const OFFLINE: Problem = {
  type: 'about:blank',
  title: 'The server cannot be reached',
  status: 0,
  detail: 'MIP does not answer; nothing that you entered is lost.',
  remedy: 'It is tried again by itself; if this stays, tell the administrator.',
  errors: [],
};

export async function answered(method: string, path: string, body?: unknown): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(OFFLINE);
  }
  if (!response.ok) {
    const type = response.headers.get('content-type') ?? '';
    throw new ApiError(
      type.includes('json')
        ? ((await response.json()) as Problem)
        : { ...OFFLINE, title: response.statusText, status: response.status },
    );
  }
  return response;
}

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await answered(method, path, body);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export const api = {
  models: () => call<ModelEntry[]>('GET', '/models'),
  model: (key: string) => call<ModelTree>('GET', `/models/${encodeURIComponent(key)}`),
  datasets: (model?: string) =>
    call<DatasetEntry[]>('GET', `/datasets${model ? `?model=${encodeURIComponent(model)}` : ''}`),
  algorithms: () => call<AlgorithmEntry[]>('GET', '/algorithms'),
  preparation: () => call<Record<string, unknown>>('GET', '/preparation'),
  seen: (page: Schemas['Page']) => call<undefined>('POST', '/page-views', { page }),
  fitting: (data: InputData) => call<Fit[]>('POST', '/algorithms/fitting', data),
  histogram: (question: Schemas['ExploreHistogram']) =>
    call<Outcome>('POST', '/explore/histogram', question),
  describe: (question: Schemas['ExploreDescribe']) =>
    call<Outcome>('POST', '/explore/describe', question),
  related: (question: Schemas['ExploreRelated']) => call<Outcome>('POST', '/explore/related', question),
  count: (question: Schemas['ExploreCount']) => call<CohortCount>('POST', '/explore/count', question),
  flow: (question: Schemas['ExploreFlow']) => call<CohortFlow>('POST', '/explore/flow', question),
  create: (request: Request & { name: string }) => call<Experiment>('POST', '/experiments', request),
  /** A page of experiments; wishes that are empty narrow nothing. */
  experiments: (wishes: Record<string, string>, limit: number, offset: number) => {
    const query = new URLSearchParams({ limit: String(limit), offset: String(offset) });
    for (const [name, value] of Object.entries(wishes)) if (value) query.set(name, value);
    return call<ExperimentPage>('GET', `/experiments?${query.toString()}`);
  },
  experimentTags: () => call<string[]>('GET', '/experiment-tags'),
  experiment: (id: string) => call<Experiment>('GET', `/experiments/${encodeURIComponent(id)}`),
  rename: (id: string, name: string) =>
    call<Experiment>('PATCH', `/experiments/${encodeURIComponent(id)}`, { name }),
  tag: (id: string, tags: string[]) => call<Experiment>('PATCH', `/experiments/${encodeURIComponent(id)}`, { tags }),
  star: (id: string, starred: boolean) =>
    call<undefined>('PUT', `/experiments/${encodeURIComponent(id)}/star`, { starred }),
  share: (id: string, everybody: boolean, persons: string[]) =>
    call<Sharing>('PUT', `/experiments/${encodeURIComponent(id)}/sharing`, { everybody, persons }),
  colleagues: (search: string) =>
    call<Colleague[]>('GET', `/colleagues?${new URLSearchParams({ search }).toString()}`),
  comments: (id: string) => call<Comment[]>('GET', `/experiments/${encodeURIComponent(id)}/comments`),
  comment: (id: string, text: string) =>
    call<Comment>('POST', `/experiments/${encodeURIComponent(id)}/comments`, { text }),
  uncomment: (id: string, comment: string) =>
    call<undefined>('DELETE', `/experiments/${encodeURIComponent(id)}/comments/${encodeURIComponent(comment)}`),
  rerun: (id: string) => call<Experiment>('POST', `/experiments/${encodeURIComponent(id)}/rerun`),
  difference: (id: string, other: string) =>
    call<Difference>('GET', `/experiments/${encodeURIComponent(id)}/difference?other=${encodeURIComponent(other)}`),
  remove: (id: string) => call<undefined>('DELETE', `/experiments/${encodeURIComponent(id)}`),
  modelFile: async (id: string, format: 'json' | 'onnx', analysis: number) => {
    const query = `format=${format}&analysis=${analysis}`;
    const response = await answered('GET', `/experiments/${encodeURIComponent(id)}/model?${query}`);
    return response.blob();
  },
  writeUp: (id: string) => call<WriteUp>('GET', `/experiments/${encodeURIComponent(id)}/write-up`),
  reportFile: async (id: string, format: 'html' | 'pdf') => {
    const response = await answered('GET', `/experiments/${encodeURIComponent(id)}/report?format=${format}`);
    return response.blob();
  },
  cancel: (id: string) => call<Experiment>('POST', `/experiments/${encodeURIComponent(id)}/cancel`),
  variables: (search: string, sites: string[], within: 'any' | 'all', limit: number) => {
    const query = new URLSearchParams({ search, within, limit: String(limit) });
    for (const site of sites) query.append('site', site);
    return call<Schemas['VariablesFound']>('GET', `/variables?${query.toString()}`);
  },
  sites: () => call<SiteEntry[]>('GET', '/sites'),
  federation: () => call<FederationSelf>('GET', '/federation'),
  requests: () => call<AskedRequest[]>('GET', '/federation/requests'),
  answerRequest: (id: string, agree: boolean) =>
    call<AskedRequest>('POST', `/federation/requests/${encodeURIComponent(id)}`, { agree }),
  members: () => call<MemberEntry[]>('GET', '/federation/members'),
  invite: (name: string) => call<Schemas['InvitationToken']>('POST', '/federation/invitations', { name }),
  approveSite: (node: string, fingerprint: string) =>
    call<MemberEntry>('POST', `/federation/members/${encodeURIComponent(node)}/approve`, { fingerprint }),
  rejectSite: (node: string) => call<MemberEntry>('POST', `/federation/members/${encodeURIComponent(node)}/reject`),
  revokeSite: (node: string) => call<MemberEntry>('POST', `/federation/members/${encodeURIComponent(node)}/revoke`),
  session: () => call<Visit>('GET', '/session'),
  logIn: (name: string, password: string) => call<Visit>('POST', '/session', { name, password }),
  giveCode: (code: string) => call<Visit>('POST', '/session/code', { code }),
  logOut: () => call<undefined>('DELETE', '/session'),
  askAdmission: (reason: string) => call<undefined>('POST', '/session/provider/admission', { reason }),
  acceptTerms: (version: number) => call<Visit>('PUT', '/profile/terms', { version }),
  changePassword: (password: string, fresh: string) =>
    call<undefined>('PUT', '/profile/password', { password, new: fresh }),
  offerFactor: () => call<Schemas['Offered']>('POST', '/profile/second-factor/offer'),
  setFactor: (factor: Schemas['NewFactor']) =>
    call<Schemas['Recovery']>('PUT', '/profile/second-factor', factor),
  dropFactor: (password: string) => call<undefined>('POST', '/profile/second-factor/drop', { password }),
  sessions: () => call<Session[]>('GET', '/profile/sessions'),
  endSession: (id: string) => call<undefined>('DELETE', `/profile/sessions/${encodeURIComponent(id)}`),
  tokens: () => call<Token[]>('GET', '/profile/tokens'),
  makeToken: (token: Schemas['NewToken']) => call<Schemas['MadeToken']>('POST', '/profile/tokens', token),
  revokeToken: (id: string) => call<undefined>('DELETE', `/profile/tokens/${encodeURIComponent(id)}`),
  users: () => call<Person[]>('GET', '/users'),
  addUser: (person: Schemas['NewPerson']) => call<Person>('POST', '/users', person),
  changeUser: (id: string, change: Schemas['ChangedPerson']) =>
    call<Person>('PATCH', `/users/${encodeURIComponent(id)}`, change),
  allowed: () => call<AllowedEntry[]>('GET', '/allow-list'),
  allow: (entry: Schemas['NewEntry']) => call<undefined>('POST', '/allow-list', entry),
  disallow: (entry: string) => call<undefined>('DELETE', `/allow-list/${encodeURIComponent(entry)}`),
  admissions: () => call<Admission[]>('GET', '/admissions'),
  decide: (id: string, decision: Schemas['Decision']) =>
    call<Admission>('POST', `/admissions/${encodeURIComponent(id)}`, decision),
};
