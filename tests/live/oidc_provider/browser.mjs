// A user in a real browser: opens a page, logs in, looks at it, logs out, and opens it again. Its one argument is JSON: modules,
// chromium, url, logout, back, user. It prints what the user saw as JSON.
import { createRequire } from 'node:module';

const settings = JSON.parse(process.argv[2]);
const { chromium } = createRequire(`${settings.modules}/`)('playwright-core');

const browser = await chromium.launch({ executablePath: settings.chromium, args: ['--no-sandbox', '--disable-gpu'] });
try {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(settings.url);
  const asked = page.url();
  await page.fill('input[name=login]', settings.user);
  await page.fill('input[name=password]', 'any');
  await page.click('button[type=submit]');
  for (let number = 0; page.url() !== settings.url && number < 5; number += 1) {
    await page.click('button[type=submit]');
  }
  const seen = JSON.parse(await page.locator('body').innerText());
  const cookies = (await context.cookies()).map(({ name, domain, secure, httpOnly, sameSite }) => ({ name, domain, secure, httpOnly, sameSite }));
  await page.goto(settings.logout);
  const left = (await context.cookies(settings.url)).map(({ name }) => name);
  await page.click('button[value=yes]');
  await page.waitForURL(settings.back);
  await page.goto(settings.url);
  console.log(JSON.stringify({ asked, url: settings.url, seen, cookies, left, again: page.url() }));
} finally {
  await browser.close();
}
