using System.Text;
using Xunit;

namespace Millrace.Server.Tests.Api;

/// <summary>Everything that a server's store has, as one text: what was refused must have left it as it was.</summary>
internal static class Counts
{
    public static async Task<string> OfAsync(ApiHost host)
    {
        var cancellation = TestContext.Current.CancellationToken;
        var instance = host.Instance;
        var text = new StringBuilder();
        foreach (var queue in await instance.Admin.ListQueuesAsync("", null, 1000, cancellation))
        {
            var stats = await instance.Admin.GetStatsAsync(queue, cancellation);
            text.AppendLine($"{queue} {stats with { OldestReadyAge = null }} {await instance.Admin.GetSettingsAsync(queue, cancellation)}");
        }

        foreach (var binding in await instance.Routing.ListBindingsAsync(null, cancellation))
        {
            text.AppendLine($"{binding.Queue} < {binding.Pattern}");
        }

        var page = await instance.State.ListAsync("", null, 1000, cancellation);
        text.AppendLine($"{page.Revision} {string.Join(' ', page.Documents.Select(document => $"{document.Key}@{document.Version}"))}");
        text.AppendLine($"{await instance.Locks.InspectAsync("l", cancellation) is not null} {instance.Receivers.Count} {instance.Subscriptions}");
        return text.ToString();
    }
}
