using System.Globalization;
using Microsoft.Extensions.Logging;
using Millrace.Configuration;
using Millrace.Server.Security;

namespace Millrace.Server.Configuration;

/// <summary>One key of the section <c>SERVER</c>, or of another that is about the node: what it takes, and where its value goes.</summary>
/// <param name="Name">The name as the environment spells it.</param>
/// <param name="Allowed">What is allowed, for people.</param>
/// <param name="TrySet">Sets a value; false when it is not allowed.</param>
/// <param name="Show">The value as it stands.</param>
internal sealed record ServerKey(string Name, string Allowed, Func<ServerSettings, string, bool> TrySet, Func<ServerSettings, string> Show)
{
    private const char Separator = ';';

    /// <summary>Where to listen.</summary>
    public static ServerKey Urls { get; } = new(
        "URLS", "URLs separated by ';'", (settings, text) => TrySetUrls(settings.Options.Urls, text), settings => Join(settings.Options.Urls));

    /// <summary>Every key of every section.</summary>
    public static IReadOnlyList<ServerKey> All { get; } =
    [
        Urls,
        Number("MAX_REQUEST_BYTES", 1024, int.MaxValue, s => s.Options.Limits.MaxRequestBytes, (s, n) => s.Options.Limits = s.Options.Limits with { MaxRequestBytes = n }),
        Milliseconds("MAX_WAIT_MS", 1, 600_000, s => s.Options.Limits.MaxWait, (s, t) => s.Options.Limits = s.Options.Limits with { MaxWait = t }),
        Number("MAX_RECEIVERS", 1, int.MaxValue, s => s.Options.Limits.MaxReceivers, (s, n) => s.Options.Limits = s.Options.Limits with { MaxReceivers = n }),
        Milliseconds("RECEIVER_IDLE_MS", 1_000, 86_400_000, s => s.Options.Limits.ReceiverIdleTime, (s, t) => s.Options.Limits = s.Options.Limits with { ReceiverIdleTime = t }),
        Number("MAX_SUBSCRIPTIONS", 1, int.MaxValue, s => s.Options.Limits.MaxSubscriptions, (s, n) => s.Options.Limits = s.Options.Limits with { MaxSubscriptions = n }),
        Number("MAX_BATCH", 1, 100_000, s => s.Options.Limits.MaxBatch, (s, n) => s.Options.Limits = s.Options.Limits with { MaxBatch = n }),
        Number("MAX_CONNECTIONS", 1, int.MaxValue, s => s.Options.MaxConnections, (s, n) => s.Options.MaxConnections = n),
        Milliseconds("DRAIN_MS", 0, (int)MillraceServerOptions.LongestDrain.TotalMilliseconds, s => s.Options.DrainTimeout, (s, t) => s.Options.DrainTimeout = t),
        new("LOG_FORMAT", "text, json", TrySetLogFormat, settings => settings.IsJsonLog ? "json" : "text"),
        new("LOG_LEVEL", string.Join(", ", Enum.GetNames<LogLevel>()).ToLowerInvariant(), TrySetLogLevel, settings => settings.LogLevel.ToString().ToLowerInvariant()),
        Milliseconds("HEALTH_TIMEOUT_MS", 10, 60_000, s => s.Options.HealthTimeout, (s, t) => s.Options.HealthTimeout = t),
        Milliseconds("HEALTH_CACHE_MS", 0, 60_000, s => s.Options.HealthCacheTime, (s, t) => s.Options.HealthCacheTime = t),
        new("OPTIONAL_INSTANCES", "names of instances separated by ';'", TrySetOptional, settings => Join(settings.Options.OptionalInstances)),
        Number("MAX_METRIC_QUEUES", 0, MillraceServerOptions.MostMetricQueues, s => s.Options.MaxMetricQueues, (s, n) => s.Options.MaxMetricQueues = n),
        new("SCHEDULER", "true, false", TrySetScheduler, settings => settings.Options.RunsSchedulers ? "true" : "false"),
        new("SCHEDULES_FILE", "any text", TrySetSchedulesFile, settings => settings.SchedulesFile ?? ""),
        Text("USERS_FILE", s => s.UsersFile, (s, text) => s with { UsersFile = text }),
        Certificate("CERTIFICATE_FILE", c => c.CertificateFile, (c, text) => c with { CertificateFile = text }),
        Certificate("CERTIFICATE_KEY_FILE", c => c.KeyFile, (c, text) => c with { KeyFile = text }),
        Certificate("CERTIFICATE_PFX_FILE", c => c.PfxFile, (c, text) => c with { PfxFile = text }),
        Certificate("CERTIFICATE_PASSWORD_FILE", c => c.PasswordFile, (c, text) => c with { PasswordFile = text }),
        Text("CORS_ORIGINS", s => Join(s.CorsOrigins), (s, text) => s with { CorsOrigins = Split(text) }) with { Allowed = "origins separated by ';'" },
        new("CORS_ALLOW_CREDENTIALS", "true, false", TrySetCorsCredentials, settings => settings.Options.Security.CorsAllowCredentials ? "true" : "false"),
        Text("ALLOWED_HOSTS", s => Join(s.AllowedHosts), (s, text) => s with { AllowedHosts = Split(text) }) with { Allowed = "names of hosts separated by ';'" },
        Text("AUDIT_FILE", s => s.AuditFile, (s, text) => s with { AuditFile = text }),
        .. StompKeys.All,
    ];

    /// <summary>The section.</summary>
    public string Section { get; init; } = ConfigurationKey.Server;

    /// <summary>The whole key as the environment spells it.</summary>
    public string Variable => $"{Section}__{Name}";

    /// <summary>The key without what spellings differ in.</summary>
    public ConfigurationKey Key => new(Section, "", Name.Replace("_", "", StringComparison.Ordinal));

    /// <summary>Replaces URLs; false if there are none.</summary>
    public static bool TrySetUrls(IList<string> urls, string text)
    {
        var given = Split(text);
        if (given.Length == 0)
        {
            return false;
        }

        urls.Clear();
        foreach (var url in given)
        {
            urls.Add(url);
        }

        return true;
    }

    /// <summary>The parts of a list.</summary>
    public static string[] Split(string text) => text.Split(Separator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>A list as one value.</summary>
    public static string Join(IEnumerable<string> values) => string.Join(Separator, values);

    private static ServerKey Number(string name, int least, int most, Func<ServerSettings, int> get, Action<ServerSettings, int> set) => new(
        name,
        $"whole numbers from {Count(least)} to {Count(most)}",
        (settings, text) =>
        {
            var isAllowed = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most;
            if (isAllowed)
            {
                set(settings, number);
            }

            return isAllowed;
        },
        settings => get(settings).ToString(CultureInfo.InvariantCulture));

    private static ServerKey Milliseconds(string name, int least, int most, Func<ServerSettings, TimeSpan> get, Action<ServerSettings, TimeSpan> set)
    {
        var number = Number(name, least, most, settings => (int)get(settings).TotalMilliseconds, (settings, value) => set(settings, TimeSpan.FromMilliseconds(value)));
        return number with { Allowed = number.Allowed.Replace("whole numbers", "milliseconds", StringComparison.Ordinal) };
    }

    private static ServerKey Text(string name, Func<SecurityOptions, string?> get, Func<SecurityOptions, string, SecurityOptions> with) => new(
        name,
        "any text",
        (settings, text) =>
        {
            settings.Options.Security = with(settings.Options.Security, text);
            return true;
        },
        settings => get(settings.Options.Security) ?? "");

    private static ServerKey Certificate(string name, Func<CertificateOptions, string?> get, Func<CertificateOptions, string, CertificateOptions> with) => Text(
        name,
        security => security.Certificate is { } certificate ? get(certificate) : null,
        (security, text) => security with { Certificate = with(security.Certificate ?? new CertificateOptions(), text) });

    private static bool TrySetCorsCredentials(ServerSettings settings, string text)
    {
        var isAllowed = bool.TryParse(text, out var allows);
        settings.Options.Security = settings.Options.Security with { CorsAllowCredentials = allows };
        return isAllowed;
    }

    private static bool TrySetScheduler(ServerSettings settings, string text)
    {
        var isAllowed = bool.TryParse(text, out var runs);
        settings.Options.RunsSchedulers = runs;
        return isAllowed;
    }

    private static bool TrySetSchedulesFile(ServerSettings settings, string text)
    {
        settings.SchedulesFile = text;
        return true;
    }

    private static bool TrySetOptional(ServerSettings settings, string text)
    {
        settings.Options.OptionalInstances.Clear();
        settings.Options.OptionalInstances.UnionWith(Split(text).Select(InstanceUrls.Normalize));
        return true;
    }

    private static bool TrySetLogFormat(ServerSettings settings, string text)
    {
        settings.IsJsonLog = text.Equals("json", StringComparison.OrdinalIgnoreCase);
        return settings.IsJsonLog || text.Equals("text", StringComparison.OrdinalIgnoreCase);
    }

    private static bool TrySetLogLevel(ServerSettings settings, string text)
    {
        // A number is a level to the parser, and would say nothing to a reader.
        var isAllowed = Enum.TryParse<LogLevel>(text, ignoreCase: true, out var level) && !char.IsAsciiDigit(text[0]) && Enum.IsDefined(level);
        settings.LogLevel = isAllowed ? level : settings.LogLevel;
        return isAllowed;
    }

    private static string Count(int number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
