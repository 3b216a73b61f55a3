/** What a service gives out in a form of its own, so that it is known without a name beside it. */
export interface TokenRule {
  /** For people, with its article: `a GitHub token`. */
  readonly what: string;
  /** How it begins, at least three characters: shown in messages, as it tells nothing of the secret. */
  readonly prefix: string;
  /** The whole of it. Sticky. */
  readonly pattern: RegExp;
}

/** `rest` follows the prefix, and no letter or digit follows that. */
function rule(what: string, prefixes: readonly string[], rest: string): TokenRule[] {
  return prefixes.map((prefix) => ({
    what,
    prefix,
    pattern: new RegExp(`${prefix.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`)}${rest}(?![A-Za-z0-9])`, 'y'),
  }));
}

/**
 * The forms are public: the services document them for scanners such as this one. What has no form of its own (a secret key of AWS, a
 * key of Weights & Biases) is found by the name beside it, see `assignments.ts`.
 */
export const tokenRules: readonly TokenRule[] = [
  // Clouds.
  ...rule('an access key of AWS', ['AKIA', 'ASIA', 'ABIA', 'ACCA'], '[A-Z2-7]{16}'),
  ...rule('a key of the Google API', ['AIza'], String.raw`[\w-]{35}`),
  ...rule('a client secret of Google', ['GOCSPX-'], String.raw`[\w-]{28}`),
  ...rule('an access token of Google', ['ya29.'], String.raw`[\w-]{20,}`),
  ...rule('a refresh token of Google', ['1//0'], String.raw`[\w-]{40,}`),
  ...rule('a storage key of Azure', ['AccountKey='], '[A-Za-z0-9+/]{86}=='),
  ...rule('a shared access key of Azure', ['SharedAccessKey='], '[A-Za-z0-9+/]{43}='),
  ...rule('a token of DigitalOcean', ['dop_v1_', 'doo_v1_', 'dor_v1_'], '[a-f0-9]{64}'),
  ...rule('an access key of Alibaba', ['LTAI'], '[A-Za-z0-9]{16,20}'),
  ...rule('a key of Yandex', ['AQVN'], String.raw`[\w-]{35,38}`),
  ...rule('a key of Heroku', ['HRKU-'], String.raw`[\w-]{30,}`),
  ...rule('a token of Fly.io', ['FlyV1 fm'], String.raw`[12]_[\w+/=,-]{40,}`),
  ...rule('a token of Netlify', ['nfp_'], '[A-Za-z0-9]{36,}'),
  ...rule('a key of Supabase', ['sbp_'], '[a-f0-9]{40}'),
  ...rule('a key of Supabase', ['sb_secret_'], String.raw`[\w-]{20,}`),
  ...rule('a password of PlanetScale', ['pscale_pw_', 'pscale_tkn_', 'pscale_oauth_'], String.raw`[\w.=-]{32,}`),
  ...rule('a key of Tailscale', ['tskey-'], '(?:auth|api|client|webhook)-[A-Za-z0-9]+-[A-Za-z0-9]{20,}'),
  // Code, packages and images.
  ...rule('a token of GitHub', ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'], '[A-Za-z0-9]{36,}'),
  ...rule('a token of GitHub', ['github_pat_'], String.raw`\w{70,}`),
  ...rule(
    'a token of GitLab',
    ['glpat-', 'gldt-', 'glrt-', 'glptt-', 'glft-', 'glsoat-', 'glimt-', 'glagent-', 'glcbt-', 'gloas-', 'GR1348941'],
    String.raw`[\w-]{20,}(?:\.[\w-]+)*`,
  ),
  ...rule('a password of Bitbucket', ['ATBB'], '[A-Za-z0-9]{28,}'),
  ...rule('a token of Atlassian', ['ATATT3'], String.raw`[\w=-]{50,}`),
  ...rule('a token of npm', ['npm_'], '[A-Za-z0-9]{36}'),
  ...rule('a token of PyPI', ['pypi-AgE'], String.raw`[\w-]{50,}`),
  ...rule('a key of RubyGems', ['rubygems_'], '[a-f0-9]{48}'),
  ...rule('a token of crates.io', ['cio'], '[A-Za-z0-9]{32}'),
  ...rule('a key of NuGet', ['oy2'], '[a-z0-9]{43}'),
  ...rule('a token of Docker Hub', ['dckr_pat_', 'dckr_oat_'], String.raw`[\w-]{27,}`),
  ...rule('a key of Artifactory', ['AKCp'], '[A-Za-z0-9]{60,}'),
  ...rule('a token of Vault', ['hvs.', 'hvb.', 'hvr.'], String.raw`[\w-]{24,}`),
  ...rule('a token of Pulumi', ['pul-'], '[a-f0-9]{40}'),
  ...rule('a token of Doppler', ['dp.pt.', 'dp.st.', 'dp.sa.', 'dp.ct.'], '[A-Za-z0-9_.-]{40,}'),
  ...rule('a token of 1Password', ['ops_eyJ'], '[A-Za-z0-9+/]{100,}={0,2}'),
  ...rule('a key of age', ['AGE-SECRET-KEY-1'], '[A-Z0-9]{58}'),
  ...rule('a key of Postman', ['PMAK-'], '[a-f0-9]{24}-[a-f0-9]{34}'),
  ...rule('a token of Sentry', ['sntrys_', 'sntryu_'], String.raw`[\w+/=-]{40,}`),
  ...rule('a token of Grafana', ['glsa_', 'glc_'], String.raw`[\w+/=-]{32,}`),
  ...rule('a key of New Relic', ['NRAK-'], '[A-Z0-9]{27}'),
  // Models, data and experiments.
  ...rule('a token of Hugging Face', ['hf_', 'api_org_'], '[A-Za-z0-9]{34,}'),
  ...rule('a key of Anthropic', ['sk-ant-'], String.raw`[a-z]+\d*-[\w-]{80,}`),
  ...rule('a key of OpenAI', ['sk-proj-', 'sk-svcacct-', 'sk-admin-', 'sk-None-'], String.raw`[\w-]{40,}`),
  ...rule('a key of OpenRouter', ['sk-or-v1-'], '[a-f0-9]{64}'),
  ...rule('a key of OpenAI', ['sk-'], '[A-Za-z0-9]{32,64}'),
  ...rule('a key of Langfuse', ['sk-lf-'], '[a-f0-9-]{36}'),
  ...rule('a key of Weights & Biases', ['wandb_v1_'], String.raw`\w{40,}`),
  ...rule('a token of Kaggle', ['KGAT_'], '[a-f0-9]{32}'),
  ...rule('a token of Databricks', ['dapi'], '[a-f0-9]{32}(?:-[0-9])?'),
  ...rule('a key of Replicate', ['r8_'], '[A-Za-z0-9]{37}'),
  ...rule('a key of Groq', ['gsk_'], '[A-Za-z0-9]{48,}'),
  ...rule('a key of Perplexity', ['pplx-'], '[A-Za-z0-9]{48,}'),
  ...rule('a key of xAI', ['xai-'], '[A-Za-z0-9]{60,}'),
  ...rule('a key of Fireworks', ['fw_'], '[A-Za-z0-9]{22,24}'),
  ...rule('a key of NVIDIA', ['nvapi-'], String.raw`[\w-]{60,}`),
  ...rule('a key of LangSmith', ['lsv2_pt_', 'lsv2_sk_'], '[a-f0-9]{32}_[a-f0-9]{10}'),
  ...rule('a key of Tavily', ['tvly-'], String.raw`[\w-]{28,}`),
  ...rule('a key of Pinecone', ['pcsk_'], String.raw`\w{60,}`),
  ...rule('a key of Prefect', ['pnu_', 'pnb_'], '[A-Za-z0-9]{36}'),
  ...rule('a token of dbt', ['dbtc_', 'dbtu_'], String.raw`[\w-]{36,}`),
  // Messages, payments and mail.
  ...rule('a token of Slack', ['xoxb-', 'xoxp-', 'xoxa-', 'xoxo-', 'xoxs-', 'xoxr-', 'xoxe-', 'xoxe.'], '[A-Za-z0-9-.]{20,}'),
  ...rule('a token of Slack', ['xapp-'], '[0-9]-[A-Z0-9]+-[0-9]+-[a-f0-9]{40,}'),
  ...rule('a webhook of Slack', ['hooks.slack.com/'], '(?:services|workflows|triggers)/[A-Za-z0-9/]{40,}'),
  ...rule(
    'a webhook of Discord',
    ['discord.com/api/webhooks/', 'discordapp.com/api/webhooks/'],
    String.raw`\d{17,20}/[\w-]{60,}`,
  ),
  ...rule('a key of Stripe', ['sk_live_', 'rk_live_', 'sk_test_', 'rk_test_', 'sk_prod_'], '[A-Za-z0-9]{20,}'),
  ...rule('a webhook secret of Stripe', ['whsec_'], '[A-Za-z0-9+/]{32,}={0,2}'),
  ...rule('a key of SendGrid', ['SG.'], String.raw`[\w-]{22}\.[\w-]{43}`),
  ...rule(
    'a key of Twilio',
    Array.from('0123456789abcdef', (digit) => `SK${digit}`),
    '[0-9a-f]{31}',
  ),
  ...rule('a key of Mailgun', ['key-'], '[0-9a-f]{32}'),
  ...rule('a key of Brevo', ['xkeysib-'], '[a-f0-9]{64}-[A-Za-z0-9]{16}'),
  ...rule('a token of Shopify', ['shpat_', 'shpca_', 'shppa_', 'shpss_'], '[a-fA-F0-9]{32}'),
  ...rule('a token of Square', ['sq0csp-', 'sq0atp-'], String.raw`[\w-]{22,}`),
  ...rule('a key of Linear', ['lin_api_'], '[A-Za-z0-9]{40}'),
  ...rule('a token of Notion', ['ntn_'], '[A-Za-z0-9]{40,}'),
  ...rule('a token of Figma', ['figd_'], String.raw`[\w-]{40,}`),
  ...rule('a token of Mapbox', ['sk.eyJ'], String.raw`[\w-]{40,}\.[\w-]{20,}`),
  // Anywhere.
  ...rule('a signed token (JWT)', ['eyJ'], String.raw`[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}`),
  ...rule('a private key of PuTTY', ['PuTTY-User-Key-File-'], String.raw`[23]: [a-z][a-z0-9-]+[\s\S]{0,200}Encryption: `),
];
