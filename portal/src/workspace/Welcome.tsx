import { Stack, Text, Title } from '@mantine/core';

import type { DatasetEntry } from '../api/client';
import { TourOffer } from '../help/Tour';
import { locale, texts } from '../texts/texts';
import { HomeNews } from './HomeNews';

const t = texts.workspace;

/** What one arrives at, before a variable is chosen: what is here, the three steps, what is new. */
export function Welcome({ datasets, variables }: { datasets: DatasetEntry[]; variables: number }) {
  const patients = datasets.reduce((sum, dataset) => sum + dataset.patients, 0);
  return (
    <Stack className="welcome" gap="lg">
      <div>
        <Title order={1} fz="1.7rem">
          {t.welcome}
        </Title>
        <Text c="dimmed" mt={4}>
          {t.welcomeHint(patients.toLocaleString(locale), datasets.length, variables)}
        </Text>
      </div>
      <TourOffer />
      <ol className="steps">
        {t.steps.map(([title, text]) => (
          <li key={title}>
            <Text fw={620}>{title}</Text>
            <Text size="sm" c="dimmed">
              {text}
            </Text>
          </li>
        ))}
      </ol>
      <HomeNews />
    </Stack>
  );
}
