import { Anchor, Button, Group, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';

import { dataApi, type InboxEntry } from '../api/data';
import { QualityView } from '../datasets/QualityView';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';
import { isMoving } from './item';
import { Section } from './Section';

const t = texts.inbox.quality;

/** A file judged as it would be published. */
export function QualitySection({ item }: { item: InboxEntry }) {
  const judge = useMutation({ mutationFn: () => dataApi.quality(item.name) });
  return (
    <Section title={t.title}>
      <Text size="sm" c="dimmed">
        {t.intro}
      </Text>
      <Group>
        <Button variant="light" loading={judge.isPending} disabled={isMoving(item)} onClick={() => judge.mutate()}>
          {t.judge}
        </Button>
        {judge.data && (
          <Anchor href={dataApi.qualityPage(item.name)} target="_blank" rel="noreferrer" size="sm">
            {t.page}
          </Anchor>
        )}
      </Group>
      <ProblemAlert error={judge.error} />
      {judge.data?.map((report) => <QualityView key={report.dataset} report={report} />)}
    </Section>
  );
}
