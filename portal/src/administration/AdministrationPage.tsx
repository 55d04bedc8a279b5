import { Tabs, Title } from '@mantine/core';
import { useSearchParams } from 'react-router';

import type { Right, Visit } from '../api/client';
import { useVisit } from '../people/Gate';
import { Empty } from '../shared/Empty';
import { texts } from '../texts/texts';
import { JournalView } from './JournalView';
import { LedgerView } from './LedgerView';
import { NoticesView } from './NoticesView';
import { SystemView } from './SystemView';

const t = texts.administration;
const PARTS = [
  ['system', 'administer', SystemView],
  ['ledger', 'audit', LedgerView],
  ['journal', 'audit', JournalView],
  ['notices', 'administer', NoticesView],
] as const satisfies readonly (readonly [string, Right, () => React.JSX.Element])[];

/** The parts that a person's rights open. */
function partsFor(visit: Visit | undefined) {
  return PARTS.filter(([, right]) => visit?.step === 'in' && visit.rights.includes(right));
}

/** How the server is, for the administrator; what left and who came, for the privacy officer. */
export default function AdministrationPage() {
  const visit = useVisit();
  const [query, setQuery] = useSearchParams();
  const parts = partsFor(visit);
  const part = parts.find(([name]) => name === query.get('part'))?.[0] ?? parts[0]?.[0];
  return (
    <div className="page">
      <title>{`${t.title} · ${texts.brand}`}</title>
      <Title order={1} fz="1.55rem" mb="md">
        {t.title}
      </Title>
      {part === undefined ? (
        <Empty title={t.nothing} hint={t.nothingHint} />
      ) : (
        <Tabs value={part} onChange={(chosen) => setQuery({ part: chosen ?? part })} keepMounted={false}>
          <Tabs.List aria-label={t.title} mb="lg">
            {parts.map(([name]) => (
              <Tabs.Tab key={name} value={name}>
                {t.parts[name]}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {parts.map(([name, , View]) => (
            <Tabs.Panel key={name} value={name}>
              <View />
            </Tabs.Panel>
          ))}
        </Tabs>
      )}
    </div>
  );
}
