import { Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import { api, type FederationSelf, type Visit } from '../api/client';
import { useVisit } from '../people/Gate';
import { Empty } from '../shared/Empty';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';
import { Members } from './Members';
import { Requests } from './Requests';

const t = texts.federation;

/** What this installation is in a federation, asked for once on every page. */
export function useFederation(visit: Visit | undefined) {
  const may = visit?.step === 'in' && visit.rights.includes('explore');
  return useQuery({ queryKey: ['federation'], queryFn: api.federation, enabled: may });
}

/** Whether the screen has something for this person to do. */
export function hasDuties(self: FederationSelf | undefined, visit: Visit | undefined): boolean {
  if (!self || visit?.step !== 'in') return false;
  return (
    (self.site !== null && visit.rights.includes('approve_requests')) ||
    (self.hub !== null && visit.rights.includes('operate_federation'))
  );
}

/** What waits for a person: analyses at a hospital, hospitals at a hub. */
export function FederationPage() {
  const visit = useVisit();
  const self = useFederation(visit);
  const may = (right: Visit['rights'][number]) => visit?.step === 'in' && visit.rights.includes(right);
  return (
    <div className="page">
      <title>{`${t.title} · ${texts.brand}`}</title>
      <Title order={1} fz="1.55rem">
        {t.title}
      </Title>
      {self.isPending && <Loading />}
      <ProblemAlert error={self.error} onRetry={() => void self.refetch()} />
      {self.data && !hasDuties(self.data, visit) && <Empty title={t.nothing} hint={t.nothingHint} />}
      {self.data?.site && may('approve_requests') && (
        <>
          <Text c="dimmed" size="sm" mb="md">
            {t.site(self.data.site.name, self.data.site.federation, self.data.site.hub)}{' '}
            {t.standings[self.data.site.standing]}
          </Text>
          <Requests />
        </>
      )}
      {self.data?.hub && may('operate_federation') && (
        <>
          <Text c="dimmed" size="sm" mb="md">
            {t.hub(self.data.hub.federation, self.data.hub.address)}{' '}
            <span className="mono">{self.data.hub.fingerprint}</span>
          </Text>
          <Members />
        </>
      )}
    </div>
  );
}
