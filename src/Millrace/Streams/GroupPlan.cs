namespace Millrace.Streams;

/// <summary>
/// Who should have how many partitions, computed by each member for itself from what it sees. Members keep what they have up to their share, so little moves; views that
/// differ cost a refused claim, and never a record.
/// </summary>
/// <param name="Surplus">How many of its partitions this member should give up.</param>
/// <param name="Claims">The partitions that it should claim.</param>
internal sealed record GroupPlan(int Surplus, IReadOnlyList<int> Claims)
{
    /// <param name="self">This member.</param>
    /// <param name="live">The live members, this one included.</param>
    /// <param name="owners">The live owner of each partition; null when it is free.</param>
    public static GroupPlan Of(string self, IReadOnlyCollection<string> live, IReadOnlyList<string?> owners)
    {
        var held = live.ToDictionary(member => member, member => owners.Count(owner => owner == member), StringComparer.Ordinal);
        var share = owners.Count / live.Count;
        var larger = owners.Count % live.Count;

        // Who has more gets the larger shares, so that nobody gives up what another would only get in its place.
        var shares = live
            .OrderByDescending(member => held[member]).ThenBy(member => member, StringComparer.Ordinal)
            .Select((member, i) => (member, share: i < larger ? share + 1 : share))
            .ToDictionary(member => member.member, member => member.share, StringComparer.Ordinal);
        var free = owners.Index().Where(owner => owner.Item is null).Select(owner => owner.Index).ToList();
        var claims = new List<int>();
        var next = 0;
        foreach (var member in live.Order(StringComparer.Ordinal))
        {
            var wanted = Math.Min(Math.Max(0, shares[member] - held[member]), free.Count - next);
            if (member == self)
            {
                claims = free.GetRange(next, wanted);
            }

            next += wanted;
        }

        return new GroupPlan(Math.Max(0, held[self] - shares[self]), claims);
    }
}
